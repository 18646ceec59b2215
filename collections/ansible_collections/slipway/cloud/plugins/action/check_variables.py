# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of C(slipway.cloud.check_variables)."""

from __future__ import annotations

import pathlib
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase

from ..module_utils._variables import complaints

if t.TYPE_CHECKING:
    from ..module_utils._spec import Spec


def _load(path: pathlib.Path) -> dict[str, t.Any]:
    specs = yaml_load(path.read_text(encoding="utf-8"))["argument_specs"]
    return {name: option for entry in specs.values() for name, option in (entry.get("options") or {}).items()}


class ActionModule(ActionBase):
    """Judges the variables of all hosts of a play at once, so that one mistake in the inventory is told once."""

    TRANSFERS_FILES = False
    _requires_connection = False

    spec: t.ClassVar[Spec] = {"roles_dir": {"type": "path", "required": True}}

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(self.spec)[1]
        paths = pathlib.Path(arguments["roles_dir"]).glob("*/meta/argument_specs.yml")
        specs = {path.parent.parent.name: _load(path) for path in sorted(paths)}

        hosts: dict[str, list[str]] = {}
        for host in variables["ansible_play_hosts_all"]:
            for complaint in complaints(variables["hostvars"][host], specs):
                hosts.setdefault(complaint, []).append(host)
        if hosts:
            lines = [f"{complaint} ({', '.join(names)})" for complaint, names in hosts.items()]
            raise AnsibleActionFail("\n".join(["Nothing was changed. These variables cannot be right:", *lines]))
        return {**result, "changed": False, "roles": list(specs)}
