# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of C(slipway.cloud.check_host)."""

from __future__ import annotations

import os
import re
import time
import typing as t
from dataclasses import asdict, replace

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._host import Observations
from ..module_utils._preflight import CHECKS, NODE_CHECKS, Finding, Host, Needs, findings, needs_of

if t.TYPE_CHECKING:
    from ..module_utils._spec import Spec

_CONNECTION = "check that it runs, its address, its sshd and your key"
_PYTHON = "install the distribution's python3, or let ansible_python_interpreter name it"
_ROOT = "log in as root, or as a user who may use sudo (with --ask-become-pass where it asks)"


class ActionModule(ActionBase):
    """Looks at one host and judges what it sees; whatever keeps it from looking is a finding too."""

    TRANSFERS_FILES = False

    spec: t.ClassVar[Spec] = {
        "groups": {"type": "list", "elements": "str", "required": True},
        "needs": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "group": {"type": "str", "required": True},
                "installer": {"type": "str", "choices": ["", "kubeadm", "minikube"], "default": ""},
                "cpus": {"type": "int", "default": 1},
                "memory_mib": {"type": "int", "default": 0},
                "ports": {"type": "list", "elements": "int", "default": []},
                "disk": {
                    "type": "list",
                    "elements": "dict",
                    "default": [],
                    "options": {"path": {"type": "path", "required": True}, "mib": {"type": "int", "required": True}},
                },
            },
        },
        "systems": {"type": "dict", "required": True},
        "disk_used_percent": {"type": "int", "default": 85},
        "clock_skew": {"type": "float", "default": 10.0},
        "ignore": {"type": "list", "elements": "str", "choices": [*CHECKS, *NODE_CHECKS], "default": []},
    }

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the findings, and the facts as host_facts does."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        params = self.validate_argument_spec(self.spec)[1]
        same = {name: params[name] for name in ("systems", "disk_used_percent", "clock_skew")}
        needs = needs_of(params["groups"], params["needs"], machine=os.uname().machine, **same)
        found, facts = self._check(needs, params["ignore"], variables) if needs else ([], {})
        rows = [{"host": variables["inventory_hostname"], **asdict(each)} for each in found]
        return {**result, "changed": False, "findings": rows, "ansible_facts": facts}

    def _check(
        self, needs: Needs, ignore: list[str], variables: dict[str, t.Any]
    ) -> tuple[list[Finding], dict[str, t.Any]]:
        """Look at the host as root if it needs to be root's, else, or where that is refused, as the user."""
        refused = []
        if not needs.installer:
            self._connection.become = None
        began = time.time()
        answer = self._look(needs, variables)
        if self._connection.become and answer.get("failed") and not answer.get("unreachable"):
            refused = [Finding("root", "error", _reason(answer), _ROOT)]
            self._connection.become = None
            answer = self._look(needs, variables)
        if answer.get("failed"):
            check, remedy = ("connection", _CONNECTION) if answer.get("unreachable") else ("python", _PYTHON)
            return [Finding(check, "error", _reason(answer), remedy)], {}
        facts = answer["ansible_facts"]
        seen = {name: value for name, value in facts["slipway_host"].items() if name != "settings"}
        host = Host(Observations(**seen), replace(needs, clock=(began, time.time())))
        return [*refused, *findings(host, ignore=ignore)], facts

    def _look(self, needs: Needs, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return what the module host_facts says of the host, or why it cannot."""
        options = {"directories": list(needs.disk_mib), "ports": list(needs.ports)}
        try:
            answer: dict[str, t.Any] = self._execute_module("slipway.cloud.host_facts", options, task_vars=variables)
        except AnsibleError as error:
            return {"failed": True, "unreachable": isinstance(error, AnsibleConnectionFailure), "msg": str(error)}
        return answer


def _reason(answer: dict[str, t.Any]) -> str:
    """Return the last line of what was said, less Ansible's own words: what came before it leads up to it."""
    said = str(answer.get("module_stderr") or answer.get("module_stdout") or answer.get("msg")).strip()
    return re.sub(r"^.* (via|over) ssh: ", "", said.splitlines()[-1]) if said else "no answer"
