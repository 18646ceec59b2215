# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module cluster."""

from __future__ import annotations

import typing as t

from ..module_utils._ansible import Params, client_of, event_log, option_problems, options_of, refuse
from ..module_utils._cluster import items_of, objects_of, report
from ..module_utils._report import failure
from ..module_utils._spec import CLUSTER, CONNECTION, WAIT, Spec
from ..module_utils.engine.lifecycle import ensure_absent, ensure_present, restart
from ..plugin_utils._engine_action import EngineAction

OPERATIONS = {"present": ensure_present, "absent": ensure_absent, "restarted": restart}


class ActionModule(EngineAction):
    """Takes care of one or many clusters in one task."""

    spec: t.ClassVar[Spec] = {
        "state": {"type": "str", "choices": list(OPERATIONS), "default": "present"},
        **CLUSTER,
        "clusters": {
            "type": "list",
            "elements": "dict",
            "options": {**CLUSTER, "name": {**CLUSTER["name"], "required": True}},
        },
        **CONNECTION,
        **WAIT,
    }
    rules: t.ClassVar = {"mutually_exclusive": [("name", "clusters")], "required_one_of": [("name", "clusters")]}

    def operate(self, params: Params, *, check_mode: bool) -> dict[str, t.Any]:
        """Bring the clusters into their state, wait, and report. :raises EngineError:"""
        refuse(option_problems(params))
        with client_of(params) as client, event_log(params["events_path"]) as listener:
            objects = objects_of(items_of(params), state=params["state"], namespace=client.namespace)
            options = options_of(params, check_mode=check_mode, listener=listener)
            results = OPERATIONS[params["state"]](client, objects, options)
        outcome = report(results, waited=params["wait"] and not check_mode)
        message = failure(results, noun="cluster")
        return outcome | {"failed": True, "msg": message} if message else outcome
