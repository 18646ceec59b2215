# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module certificates."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

from ..module_utils._ansible import Params, client_of, refuse
from ..module_utils._certificates import (
    Data,
    Pair,
    Step,
    Wanted,
    contents,
    demand_cryptography,
    described,
    problems_of,
    secret_with,
    settled,
)
from ..module_utils._spec import CONNECTION, SECRETS, Spec
from ..module_utils.engine.apply import apply, read_ours
from ..module_utils.engine.resources import SECRET
from ..plugin_utils._engine_action import EngineAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client
    from ..module_utils.engine.resources import Object

_PAIR: Spec = {
    "secret": {"type": "str", "required": True, "no_log": False},
    "common_name": {"type": "str", "required": True},
    "certificate": {"type": "str"},
    "key": {"type": "str", "no_log": True},
}


class ActionModule(EngineAction):
    """Keeps an authority and its certificates in Secrets."""

    spec: t.ClassVar[Spec] = {
        **SECRETS["namespace"],
        "days": {"type": "float", "default": 365},
        "authority": {"type": "dict", "required": True, "options": _PAIR},
        "certificates": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                **_PAIR,
                "dns_names": {"type": "list", "elements": "str", "default": []},
                "usages": {
                    "type": "list",
                    "elements": "str",
                    "choices": ["server", "client"],
                    "default": ["server", "client"],
                },
            },
        },
        **CONNECTION,
    }

    def work(self, params: Params) -> dict[str, t.Any]:
        """Have the Secrets hold what is wanted; no key is in the result. :raises EngineError:"""
        demand_cryptography()
        now = datetime.now(UTC).replace(microsecond=0)
        authority, certificates = wanted_of(params["authority"]), [wanted_of(each) for each in params["certificates"]]
        refuse([f"days is {params['days']:g}, which is not more than 0"] if params["days"] <= 0 else [])
        refuse(problems_of(now, authority, certificates))
        names = [each.secret for each in (authority, *certificates)]
        with client_of(params) as client:
            found = {name: read_ours(client, SECRET, params["namespace"], name) for name in names}
            data = {name: contents(secret) for name, secret in found.items()}
            steps = settled(now, params["days"], authority, certificates, data)
            if not self._task.check_mode:
                write(client, params["namespace"], steps, found)
        return report(steps, data)


def wanted_of(options: t.Mapping[str, t.Any]) -> Wanted:
    """Return what is to be in a Secret."""
    given = Pair(options["certificate"], options["key"] or "") if options["certificate"] else None
    return Wanted(
        secret=options["secret"],
        common_name=options["common_name"],
        dns_names=tuple(options.get("dns_names", ())),
        usages=tuple(options.get("usages", ())),
        given=given,
    )


def write(client: Client, namespace: str, steps: t.Mapping[str, Step], found: t.Mapping[str, Object | None]) -> None:
    """Write what changes, the authority first: one that has signed nothing yet breaks nothing."""
    for name, step in steps.items():
        if step.data != contents(found[name]):
            apply(client, SECRET, secret_with(name, namespace, step.data, found[name]))


def report(steps: t.Mapping[str, Step], before: t.Mapping[str, Data]) -> dict[str, t.Any]:
    """Return the task's result: what was done about each Secret, and the difference as far as it may be seen."""
    changed = [name for name, step in steps.items() if step.data != before[name]]
    return {
        "changed": bool(changed),
        "diff": [
            {
                "before_header": f"Secret {name}",
                "after_header": f"Secret {name}",
                "before": described(before[name]) or "",
                "after": described(steps[name].data),
            }
            for name in changed
        ],
        "certificates": [
            {
                "secret": name,
                "action": step.action,
                "reason": step.reason,
                "changed": name in changed,
                "ends": described(step.data)["tls.crt" if "tls.crt" in step.data else "ca.crt"][0]["ends"],
            }
            for name, step in steps.items()
        ],
    }
