# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module node_labels."""

from __future__ import annotations

import typing as t

from ..module_utils._ansible import Params, client_of, refuse, texts
from ..module_utils._node_labels import Change, Declaration, change_of, commands, problems_of, selected
from ..module_utils._spec import CONNECTION, Spec
from ..module_utils.engine.apply import patch
from ..module_utils.engine.errors import ConflictError, EngineError, ForbiddenError
from ..module_utils.engine.resources import NODE, Object
from ..plugin_utils._engine_action import EngineAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client

_ATTEMPTS = 5


class ActionModule(EngineAction):
    """Declares labels and taints of nodes."""

    spec: t.ClassVar[Spec] = {
        "nodes": {"type": "list", "elements": "str"},
        "selector": {"type": "str"},
        "labels": {"type": "dict", "default": {}},
        "taints": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "key": {"type": "str", "required": True, "no_log": False},
                "value": {"type": "str"},
                "effect": {
                    "type": "str",
                    "choices": ["NoSchedule", "PreferNoSchedule", "NoExecute"],
                    "required": True,
                },
            },
        },
        "declared_by": {"type": "str", "default": "slipway"},
        **CONNECTION,
    }
    rules: t.ClassVar = {"mutually_exclusive": [("nodes", "selector")], "required_one_of": [("nodes", "selector")]}

    def work(self, params: Params) -> dict[str, t.Any]:
        """Make the nodes as declared and report. :raises EngineError:"""
        declaration = declaration_of(params)
        with client_of(params) as client:
            nodes = selected(list_nodes(client, params["selector"]), params["nodes"], params["selector"])
            try:
                return report([settle(client, node, declaration, dry_run=self._task.check_mode) for node in nodes])
            except ForbiddenError as error:
                lines = [line for node in nodes for line in commands(change_of(node, declaration))]
                raise EngineError(f"{error} Or let an admin type: {'; '.join(lines)}", code=error.code) from error


def declaration_of(params: Params) -> Declaration:
    """Return what the options declare. :raises InvalidInputError: for all that is wrong, at once."""
    problems: list[str] = []
    labels = texts(params["labels"], what="label", problems=problems)
    declaration = Declaration(labels, params["taints"], params["declared_by"])
    refuse(problems + problems_of(declaration))
    return declaration


def list_nodes(client: Client, selector: str | None) -> list[Object]:
    """Return all nodes, or those that the selector chooses."""
    query = {"labelSelector": selector} if selector else None
    items = client.get(NODE.path(), query, action="list nodes")["items"]
    return [{**item, "apiVersion": NODE.api_version, "kind": NODE.kind} for item in items]


def settle(client: Client, node: Object, declaration: Declaration, *, dry_run: bool) -> Change:
    """Make one node as declared; what changes under our hands is read anew."""
    for attempt in range(_ATTEMPTS):
        change = change_of(node, declaration)
        if not change.patch:
            return change
        try:
            patch(client, NODE, node, change.patch, dry_run=dry_run)
        except ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
            node = client.get(NODE.path(name=change.name), action=f"read Node {change.name}")
        else:
            return change
    raise AssertionError("the last attempt returns or raises")


def report(changes: list[Change]) -> dict[str, t.Any]:
    """Return the task's return values: changed, nodes and diff."""
    return {
        "changed": any(change.patch for change in changes),
        "nodes": [{"name": each.name, "changed": bool(each.patch), **each.after} for each in changes],
        "diff": [
            {"before_header": each.name, "after_header": each.name, "before": each.before, "after": each.after}
            for each in changes
            if each.patch
        ],
    }
