# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this plugin util is PRIVATE to the collection: it can have breaking changes at any time.
"""What the modules that take documents have in common."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

from ..module_utils._ansible import refuse
from ..module_utils._report import row
from ..module_utils.engine.errors import EngineError
from ._documents import SUFFIXES, Document, flatten, origins_of, parse, timeout_of
from ._engine_action import LifecycleAction
from ._schema import schema_problems

if t.TYPE_CHECKING:
    from ..module_utils._ansible import Params
    from ..module_utils.engine.lifecycle import Options, Result


class DocumentsAction(LifecycleAction):
    """Takes care of objects that documents declare."""

    def documents(self, params: Params) -> list[Document]:
        """Return the documents of all files, then those given inline. :raises EngineError:"""
        paths = [path for source in params["src"] for path in files_of(Path(self._find_needle("files", source)))]
        documents = [each for path in paths for each in parse(text_of(path), origin=str(path))]
        inline = params["definition"]
        if isinstance(inline, str):
            return documents + parse(inline, origin="definition")
        return documents + flatten(inline if isinstance(inline, list) else [inline], origin="definition")

    def report(self, results: t.Sequence[Result], *, waited: bool) -> dict[str, t.Any]:
        """Return the objects, each with what became of it."""
        return {"objects": [{"kind": each.kind, **row(each, waited=waited)} for each in results]}


def validate(documents: t.Iterable[Document]) -> None:
    """Compare documents with the schemas of their kinds. :raises InvalidInputError: for all faults."""
    refuse([f"{each.title}: {problem}" for each in documents for problem in schema_problems(each.obj)])


def told(options: Options, documents: t.Sequence[Document]) -> Options:
    """Return the options of an operation, with what the documents themselves say of it."""
    return replace(options, origin=origins_of(documents), timeout_of=timeout_of)


def files_of(path: Path) -> list[Path]:
    """Return a file itself, or the manifests in a directory by name. :raises EngineError: if there is none."""
    if not path.is_dir():
        return [path]
    files = sorted(each for each in path.iterdir() if each.suffix in SUFFIXES)
    if not files:
        raise EngineError(f"There is no file {', '.join(f'*{suffix}' for suffix in SUFFIXES)} in {path}.")
    return files


def text_of(path: Path) -> str:
    """Return what a file holds. :raises EngineError: if it cannot be read as text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise EngineError(f"Cannot read {path}: {error}.") from error
