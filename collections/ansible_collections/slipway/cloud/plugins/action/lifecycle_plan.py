# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module lifecycle_plan."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ..plugin_utils._documents_action import text_of, validate
from ..plugin_utils._engine_action import LookAction
from ..plugin_utils._lifecycle_plan import plan_of

if t.TYPE_CHECKING:
    from ..module_utils._ansible import Params
    from ..module_utils._spec import Spec


class ActionModule(LookAction):
    """Reads a file of objects and steps."""

    spec: t.ClassVar[Spec] = {
        "src": {"type": "path", "required": True},
        "validate": {"type": "bool", "default": True},
    }

    def look(self, params: Params) -> dict[str, t.Any]:
        """Read and check the file. :raises EngineError:"""
        path = Path(self._find_needle("files", params["src"]))
        plan = plan_of(text_of(path), origin=path.name)
        if params["validate"]:
            validate(plan.documents)
        return {
            "documents": [each.obj for each in plan.documents],
            "steps": plan.steps,
            "takers": plan.takers,
            "namespace": plan.namespace,
            **plan.rules,
        }
