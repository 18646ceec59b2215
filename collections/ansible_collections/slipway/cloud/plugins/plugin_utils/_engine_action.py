# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this plugin util is PRIVATE to the collection: it can have breaking changes at any time.
"""What the modules of the Kubernetes engine have in common: they run in the controller's own process.

Wrapping a module and starting a Python for it costs more than most requests to an API server, and says nothing while
it runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
from abc import abstractmethod

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase

from ..module_utils._ansible import event_log, option_problems, options_of, refuse
from ..module_utils._report import failure, summary
from ..module_utils.engine.errors import EngineError
from ..module_utils.engine.progress import to_all
from ..module_utils.engine.resources import title
from ._terminal import Terminal

if t.TYPE_CHECKING:
    from ..module_utils._ansible import Params
    from ..module_utils._spec import Spec
    from ..module_utils.engine.lifecycle import Options, Result
    from ..module_utils.engine.progress import Event, Listener


class EngineAction(ActionBase):
    """Checks the options of its task, and turns what the engine returns or raises into the task's result."""

    TRANSFERS_FILES = False
    _requires_connection = False

    spec: t.ClassVar[Spec]
    rules: t.ClassVar[dict[str, list[t.Any]]] = {}
    """What an argument spec cannot say of one option alone, as ``mutually_exclusive``."""

    @abstractmethod
    def work(self, params: Params) -> dict[str, t.Any]:
        """Do what the options say and return the task's result. :raises EngineError:"""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task. The process is the task's own, so its ``environment`` can be set for good."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        params = self._params()
        environment: dict[str, t.Any] = {}
        self._compute_environment_string(environment)
        os.environ.update({name: str(value) for name, value in environment.items()})
        try:
            refuse(option_problems(params))
            return result | self.work(params)
        except EngineError as error:
            return result | {"failed": True, "changed": False, "msg": str(error), "code": error.code}

    @contextlib.contextmanager
    def listening(self, params: Params) -> t.Iterator[Listener]:
        """Log and show events, as the options say, and warn of what is to be known in any case."""
        with event_log(params["events_path"]) as log:
            shown = [Terminal(self._display.display).show] if params["progress"] else []
            yield to_all([log, self._warn, *shown])

    def _warn(self, event: Event) -> None:
        if event.stage == "warning":
            self._display.warning(f"{title(event.kind, event.name, event.namespace)}: {event.message}")

    def _params(self) -> Params:
        """Return the options, checked, with their defaults, as plain JSON: without the tags of Ansible's values."""
        checked = ArgumentSpecValidator(self.spec, **self.rules).validate(self._task.args)
        if checked.error_messages:
            unsupported = isinstance(checked.errors[0], UnsupportedError)
            prefix = f"Unsupported parameters for {self._task.action}: " if unsupported else ""
            raise AnsibleActionFail(f"{prefix}{checked.errors.msg}")
        params: Params = json.loads(json.dumps(checked.validated_parameters))
        return params


class LookAction(EngineAction):
    """Changes nothing, whether in check mode or not."""

    @abstractmethod
    def look(self, params: Params) -> dict[str, t.Any]:
        """Look, and return what the task is to return. :raises EngineError:"""

    def work(self, params: Params) -> dict[str, t.Any]:
        """Look and report."""
        return {"changed": False, **self.look(params)}


class LifecycleAction(EngineAction):
    """Changes objects and waits for the effect, which it shows while it happens."""

    noun: t.ClassVar[str] = ""
    """What messages call an object, instead of its kind."""

    @abstractmethod
    def operate(self, params: Params, options: Options) -> list[Result]:
        """Bring the objects into their state, wait, and return what became of each. :raises EngineError:"""

    @abstractmethod
    def report(self, results: t.Sequence[Result], *, waited: bool) -> dict[str, t.Any]:
        """Return what the task is to return beside ``changed`` and ``diff``."""

    def work(self, params: Params) -> dict[str, t.Any]:
        """Operate, tell of it and report; what has failed does not hide what has succeeded."""
        check_mode: bool = self._task.check_mode
        with self.listening(params) as listener:
            results = self.operate(params, options_of(params, check_mode=check_mode, listener=listener))
        outcome = {**summary(results), **self.report(results, waited=params["wait"] and not check_mode)}
        message = failure(results, noun=self.noun)
        return outcome | {"failed": True, "msg": message} if message else outcome
