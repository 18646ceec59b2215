# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module manifest."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

from ..module_utils._ansible import Params, client_of, event_log, option_problems, options_of, refuse
from ..module_utils._report import failure, row, summary
from ..module_utils._spec import CONNECTION, WAIT, Spec
from ..module_utils.engine.errors import EngineError
from ..module_utils.engine.manifest import ensure_absent, ensure_present
from ..plugin_utils._engine_action import EngineAction
from ..plugin_utils._manifest import SUFFIXES, checked, flatten, parse, patched

if t.TYPE_CHECKING:
    from ..module_utils.engine.resources import Object

OPERATIONS = {"present": ensure_present, "absent": ensure_absent}


class ActionModule(EngineAction):
    """Takes care of documents of any kinds in one task."""

    spec: t.ClassVar[Spec] = {
        "state": {"type": "str", "choices": list(OPERATIONS), "default": "present"},
        "definition": {"type": "raw"},
        "src": {"type": "list", "elements": "path", "default": []},
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
        "namespace": {"type": "str"},
        "foreign": {"type": "str", "choices": ["refuse", "adopt", "skip"], "default": "refuse"},
        **CONNECTION,
        **WAIT,
    }
    rules: t.ClassVar = {"required_one_of": [("definition", "src")]}

    def operate(self, params: Params, *, check_mode: bool) -> dict[str, t.Any]:
        """Bring the objects into their state, wait, and report. :raises EngineError:"""
        refuse(option_problems(params))
        documents = checked(patched(self._documents(params), params["patches"]))
        with client_of(params) as client, event_log(params["events_path"]) as listener:
            options = options_of(params, check_mode=check_mode, listener=listener)
            options = replace(options, foreign=params["foreign"])
            results = OPERATIONS[params["state"]](client, documents, options)
        waited = params["wait"] and not check_mode
        objects = [{"kind": each.kind, **row(each, waited=waited)} for each in results]
        outcome = summary(results) | {"objects": objects}
        message = failure(results)
        return outcome | {"failed": True, "msg": message} if message else outcome

    def _documents(self, params: Params) -> list[Object]:
        """Return the documents of all files, then those given inline."""
        documents = [
            document
            for source in params["src"]
            for path in files_of(Path(self._find_needle("files", source)))
            for document in parse(_text(path), origin=str(path))
        ]
        inline = params["definition"]
        if isinstance(inline, str):
            return documents + parse(inline, origin="definition")
        return documents + flatten(inline if isinstance(inline, list) else [inline], origin="definition")


def files_of(path: Path) -> list[Path]:
    """Return a file itself, or the manifests in a directory by name."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.suffix in SUFFIXES)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise EngineError(f"Cannot read {path}: {error}.") from error
