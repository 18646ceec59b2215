# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module credentials."""

from __future__ import annotations

import typing as t

from ..module_utils._ansible import Params, client_of, refuse
from ..module_utils._credentials import Data, contents, filled, problems_of, secret_with, settled, text
from ..module_utils._spec import CONNECTION, SECRETS, Spec
from ..module_utils.engine.apply import apply, is_ours, not_ours, read
from ..module_utils.engine.resources import SECRET
from ..plugin_utils._engine_action import EngineAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client


class ActionModule(EngineAction):
    """Keeps credentials in a Secret, and gives them to those who need them in another form."""

    spec: t.ClassVar[Spec] = {
        **SECRETS["namespace"],
        **SECRETS["name"],
        "values": {"type": "dict", "required": True, "no_log": True},
        "length": {"type": "int", "default": 32},
        "copies": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "namespace": {"type": "str"},
                "name": {"type": "str", "required": True},
                "key": {"type": "str", "required": True, "no_log": False},
                "content": {"type": "raw", "required": True, "no_log": True},
            },
        },
        **CONNECTION,
    }

    def work(self, params: Params) -> dict[str, t.Any]:
        """Have the Secrets hold what is wanted; no value is in the result. :raises EngineError:"""
        refuse(problems_of(params["values"], params["copies"], params["length"]))
        check = self._task.check_mode
        with client_of(params) as client:
            held = contents(read(client, SECRET, params["namespace"], params["name"]))
            wanted = settled(params["values"], held, params["length"])
            secrets = [kept(client, params["namespace"], params["name"], wanted, check=check)]
            for copy in params["copies"]:
                data = {copy["key"]: text(filled(copy["content"], wanted))}
                place = copy["namespace"] or params["namespace"]
                secrets.append(kept(client, place, copy["name"], data, check=check))
        return {"changed": any(each["changed"] for each in secrets), "secrets": secrets}


def kept(client: Client, namespace: str, name: str, wanted: Data, *, check: bool) -> dict[str, t.Any]:
    """Have a Secret hold ``wanted``; one that does already may be anybody's. :raises NotOursError:"""
    current = read(client, SECRET, namespace, name)
    held = contents(current)
    changed = any(held.get(key) != value for key, value in wanted.items())
    if changed and current and not is_ours(current):
        raise not_ours(current)
    after = apply(client, SECRET, secret_with(name, namespace, wanted, current)) if changed and not check else current
    version = after["metadata"]["resourceVersion"] if after else ""
    return {"name": name, "namespace": namespace, "changed": changed, "version": version}
