# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of C(slipway.cloud.check_variables)."""

from __future__ import annotations

import pathlib
import typing as t

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.slipway.cloud.plugins.module_utils._variables import invalid_values, unknown_variables


def _load(path: pathlib.Path) -> dict[str, t.Any]:
    specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
    return {name: option for entry in specs.values() for name, option in (entry.get("options") or {}).items()}


class ActionModule(ActionBase):
    """Judges the variables of one host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec({"roles_dir": {"type": "path", "required": True}})[1]
        paths = pathlib.Path(arguments["roles_dir"]).glob("*/meta/argument_specs.yml")
        specs = {path.parent.parent.name: _load(path) for path in sorted(paths)}

        problems = unknown_variables(variables, specs)
        for options in specs.values():
            given = {name: self._templar.template(variables[name]) for name in options if name in variables}
            problems += invalid_values(given, options)
        if problems:
            host = variables.get("inventory_hostname", "this host")
            raise AnsibleActionFail(f"Variables of {host}: " + "; ".join(problems) + ". Nothing was changed.")
        return {**result, "changed": False, "roles": list(specs)}
