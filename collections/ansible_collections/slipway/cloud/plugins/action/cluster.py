# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module cluster."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ..module_utils._ansible import Params, client_of
from ..module_utils._cluster import items_of, objects_of, report, timeouts_of
from ..module_utils._spec import CLUSTER, CONNECTION, WAIT, Spec
from ..module_utils.engine.lifecycle import ensure_absent, ensure_present, restart
from ..plugin_utils._engine_action import LifecycleAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.lifecycle import Options, Result

OPERATIONS = {"present": ensure_present, "absent": ensure_absent, "restarted": restart}


class ActionModule(LifecycleAction):
    """Takes care of one or many clusters in one task."""

    noun = "cluster"
    spec: t.ClassVar[Spec] = {
        "state": {"type": "str", "choices": list(OPERATIONS), "default": "present"},
        **CLUSTER,
        "clusters": {
            "type": "list",
            "elements": "dict",
            "options": {**CLUSTER, "name": {**CLUSTER["name"], "required": True}, "wait_timeout": {"type": "float"}},
        },
        **CONNECTION,
        **WAIT,
    }
    rules: t.ClassVar = {"mutually_exclusive": [("name", "clusters")], "required_one_of": [("name", "clusters")]}

    def operate(self, params: Params, options: Options) -> list[Result]:
        """Bring the clusters into their state and wait. :raises EngineError:"""
        items = items_of(params)
        with client_of(params) as client:
            objects = objects_of(items, state=params["state"], namespace=client.namespace)
            options = replace(options, timeout_of=timeouts_of(items, namespace=client.namespace))
            return OPERATIONS[params["state"]](client, objects, options)

    def report(self, results: t.Sequence[Result], *, waited: bool) -> dict[str, t.Any]:
        """Return the clusters, each with what became of it."""
        return report(results, waited=waited)
