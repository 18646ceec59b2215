# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module redis_users."""

from __future__ import annotations

import typing as t

from ..module_utils._ansible import Params, client_of, refuse
from ..module_utils._credentials import Data, contents, generated, secret_with
from ..module_utils._redis_users import PHASES, Held, problems_of, settled
from ..module_utils._spec import CONNECTION, Spec
from ..module_utils.engine.apply import apply, delete, is_ours, not_ours, read
from ..module_utils.engine.resources import SECRET
from ..plugin_utils._engine_action import EngineAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client
    from ..module_utils.engine.resources import Object

_LENGTH = 32
_APP, _INTERNAL, _ROTATION = "redis", "redis-acl", "redis-rotation"


class ActionModule(EngineAction):
    """Keeps the passwords of Redis' users, and changes them step by step."""

    spec: t.ClassVar[Spec] = {
        "namespace": {"type": "str", "required": True},
        "user": {"type": "str", "required": True},
        "password": {"type": "str", "default": "", "no_log": True},
        "phase": {"type": "str", "choices": list(PHASES), "default": "keep"},
        **CONNECTION,
    }

    def work(self, params: Params) -> dict[str, t.Any]:
        """Have the Secrets hold what the phase wants; no value is in the result. :raises EngineError:"""
        place, check = params["namespace"], self._task.check_mode
        with client_of(params) as client:
            secrets = {name: read(client, SECRET, place, name) for name in (_APP, _INTERNAL, _ROTATION)}
            held = Held(*(contents(secret) for secret in secrets.values()))
            refuse(problems_of(params["user"], params["password"], held, params["phase"]))
            wanted = settled(
                held,
                user=params["user"],
                given=params["password"],
                phase=params["phase"],
                make=lambda: generated(_LENGTH),
            )
            changes = _changes(secrets, {_APP: wanted.app, _INTERNAL: wanted.internal, _ROTATION: wanted.rotation})
            # What is noted of a rotation is there before it begins, and goes after it has ended.
            order = [_ROTATION, _INTERNAL, _APP] if wanted.rotation else [_APP, _INTERNAL, _ROTATION]
            if not check:
                for name in order:
                    if name in changes:
                        _write(client, place, name, changes[name], secrets[name])
        return {
            "changed": bool(changes),
            "secrets": sorted(changes),
            "version": wanted.version,
            "rotating": wanted.rotation is not None,
        }


def _changes(secrets: t.Mapping[str, Object | None], wanted: t.Mapping[str, Data | None]) -> dict[str, Data | None]:
    """Return what is to be written, None for what is to go. :raises NotOursError: where that is somebody else's."""
    changes: dict[str, Data | None] = {}
    for name, data in wanted.items():
        current = secrets[name]
        held = contents(current) if current else None
        if current and not is_ours(current):
            if name == _APP and data and held and held.get("password") == data["password"]:
                continue  # which is all that it is for
            raise not_ours(current)
        if held != data:
            changes[name] = data
    return changes


def _write(client: Client, namespace: str, name: str, data: Data | None, current: Object | None) -> None:
    """Have a Secret hold that, or none be there."""
    if data is not None:
        apply(client, SECRET, secret_with(name, namespace, data, current))
    elif current:
        delete(client, SECRET, current, foreground=False)
