# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module manifest."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ..module_utils._ansible import Params, client_of, refuse
from ..module_utils._spec import CONNECTION, DOCUMENTS, WAIT, Spec
from ..module_utils.engine.cluster import name_problems
from ..module_utils.engine.manifest import declared, ensure_absent, ensure_present, prune
from ..plugin_utils._documents import checked, patched
from ..plugin_utils._documents_action import DocumentsAction, told, validate

if t.TYPE_CHECKING:
    from ..module_utils.engine.lifecycle import Options, Result


class ActionModule(DocumentsAction):
    """Takes care of documents of any kinds in one task."""

    spec: t.ClassVar[Spec] = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        **DOCUMENTS,
        "patches": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "kind": {"type": "str", "required": True},
                "name": {"type": "str", "required": True},
                "operations": {
                    "type": "list",
                    "elements": "dict",
                    "required": True,
                    "options": {
                        "op": {"type": "str", "choices": ["add", "replace", "remove"], "required": True},
                        "path": {"type": "str", "required": True},
                        "value": {"type": "raw"},
                    },
                },
            },
        },
        "declared_by": {"type": "str"},
        "prune": {"type": "bool", "default": False},
        "foreign": {"type": "str", "choices": ["refuse", "adopt", "skip"], "default": "refuse"},
        **CONNECTION,
        **WAIT,
    }
    rules: t.ClassVar = {
        "required_one_of": [("definition", "src")],
        "required_if": [("prune", True, ("declared_by",))],
    }

    def operate(self, params: Params, options: Options) -> list[Result]:
        """Bring the objects into their state and wait. :raises EngineError:"""
        documents = checked(patched(self.documents(params), params["patches"]))
        if params["validate"] and params["state"] == "present":
            validate(documents)
        by, objects = params["declared_by"], [each.obj for each in documents]
        refuse(name_problems("declared_by", by) if by else [])
        options = replace(told(options, documents), foreign=params["foreign"])
        with client_of(params) as client:
            if params["state"] == "absent":
                return ensure_absent(client, objects, options)
            results = ensure_present(client, declared(objects, by) if by else objects, options)
            if params["prune"] and not any(each.cause for each in results):
                results += prune(client, by, results, options)
            return results
