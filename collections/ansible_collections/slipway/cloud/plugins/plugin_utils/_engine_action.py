# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this plugin util is PRIVATE to the collection: it can have breaking changes at any time.
"""What the modules of the Kubernetes engine have in common: they run in the controller's own process.

Wrapping a module and starting a Python for it costs more than most requests to an API server, and says nothing while
it runs.
"""

from __future__ import annotations

import json
import os
import typing as t
from abc import abstractmethod

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase

from ..module_utils.engine.errors import EngineError

if t.TYPE_CHECKING:
    from ..module_utils._ansible import Params
    from ..module_utils._spec import Spec


class EngineAction(ActionBase):
    """Checks the options of its task, and turns what the engine returns or raises into the task's result."""

    TRANSFERS_FILES = False
    _requires_connection = False

    spec: t.ClassVar[Spec]
    rules: t.ClassVar[dict[str, list[t.Any]]] = {}
    """What an argument spec cannot say of one option alone, as ``mutually_exclusive``."""

    @abstractmethod
    def operate(self, params: Params, *, check_mode: bool) -> dict[str, t.Any]:
        """Do what the options say and return the task's result. :raises EngineError:"""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task. The process is the task's own, so its ``environment`` can be set for good."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        params = self._params()
        environment: dict[str, t.Any] = {}
        self._compute_environment_string(environment)
        os.environ.update({name: str(value) for name, value in environment.items()})
        try:
            return result | self.operate(params, check_mode=self._task.check_mode)
        except EngineError as error:
            return result | {"failed": True, "changed": False, "msg": str(error), "code": error.code}

    def _params(self) -> Params:
        """Return the options, checked, with their defaults, as plain JSON: without the tags of Ansible's values."""
        checked = ArgumentSpecValidator(self.spec, **self.rules).validate(self._task.args)
        if checked.error_messages:
            unsupported = isinstance(checked.errors[0], UnsupportedError)
            prefix = f"Unsupported parameters for {self._task.action}: " if unsupported else ""
            raise AnsibleActionFail(f"{prefix}{checked.errors.msg}")
        params: Params = json.loads(json.dumps(checked.validated_parameters))
        return params
