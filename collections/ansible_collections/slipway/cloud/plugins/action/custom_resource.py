# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module custom_resource."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import replace

from ..module_utils._ansible import Params, client_of
from ..module_utils._spec import CONNECTION, DOCUMENTS, RULES, WAIT, Spec
from ..module_utils.engine import expressions
from ..module_utils.engine.lifecycle import await_ready, patch, restart, scale
from ..module_utils.engine.manifest import ensure_absent, ensure_present, ours
from ..module_utils.engine.readiness import ready, ready_when
from ..module_utils.engine.workloads import takes, with_replicas
from ..plugin_utils._documents import checked
from ..plugin_utils._documents_action import DocumentsAction, told, validate

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client
    from ..module_utils.engine.lifecycle import Options, Result
    from ..module_utils.engine.resources import Object
    from ..module_utils.engine.verdict import Judge

Operation = t.Callable[["Client", list["Object"], "Options"], list["Result"]]


class ActionModule(DocumentsAction):
    """Takes custom resources through their life."""

    spec: t.ClassVar[Spec] = {
        "state": {
            "type": "str",
            "choices": ["present", "ready", "scaled", "patched", "restarted", "absent"],
            "default": "present",
        },
        **DOCUMENTS,
        "replicas": {"type": "int"},
        "patch": {"type": "dict"},
        **RULES,
        **CONNECTION,
        **WAIT,
    }
    rules: t.ClassVar = {
        "required_one_of": [("definition", "src")],
        "required_if": [("state", "scaled", ("replicas",)), ("state", "patched", ("patch",))],
    }

    def operate(self, params: Params, options: Options) -> list[Result]:
        """Bring the objects into their state and wait. :raises EngineError:"""
        documents = checked(self.documents(params))
        if params["validate"] and params["state"] == "present":
            validate(documents)
        objects = [each.obj for each in documents]
        options = replace(told(options, documents), family_labels=False, ready=judge_of(params))
        with client_of(params) as client:
            return operation_of(params)(client, objects, options)


def judge_of(params: Params) -> Judge:
    """Return what judges objects: custom resources by what the options say of them. :raises InvalidInputError:"""
    wanted, unwanted = (
        expressions.checked(expressions.Expression(**each) for each in params[name])
        for name in ("ready_when", "fail_when")
    )
    if not (wanted or unwanted):
        return ready
    said = ready_when(wanted, unwanted)
    return lambda view: (ready if view.target.resource.built_in else said)(view)


def operation_of(params: Params) -> Operation:
    """Return what brings objects into the state that the options name."""
    operations: dict[str, Operation] = {
        "present": functools.partial(_present, replicas=params["replicas"]),
        "ready": await_ready,
        "scaled": lambda client, objects, options: scale(client, [*map(ours, objects)], params["replicas"], options),
        "patched": lambda client, objects, options: patch(client, [*map(ours, objects)], params["patch"], options),
        "restarted": lambda client, objects, options: restart(client, [*map(ours, objects)], options),
        "absent": ensure_absent,
    }
    return operations[params["state"]]


def _present(client: Client, objects: list[Object], options: Options, *, replicas: int | None) -> list[Result]:
    if replicas is not None:
        objects = [with_replicas(each, replicas) if takes(each, "scale") else each for each in objects]
    return ensure_present(client, objects, options)
