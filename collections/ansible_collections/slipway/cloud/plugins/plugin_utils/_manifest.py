# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this plugin util is PRIVATE to the collection: it can have breaking changes at any time.
"""The module manifest's decisions: text in, documents out; documents and patches in, patched documents out. Pure."""

from __future__ import annotations

import copy
import itertools
import typing as t
from collections import Counter

import yaml

from ..module_utils.engine.errors import InvalidInputError
from ..module_utils.engine.resources import Object, object_key, title

Patch = t.Mapping[str, t.Any]

_LOADER: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where there is one: definitions are long
SUFFIXES = (".yaml", ".yml", ".json")


def parse(text: str, *, origin: str) -> list[Object]:
    """Return the documents of a YAML or JSON text, those of a List one by one. :raises InvalidInputError:"""
    try:
        documents = list(yaml.load_all(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InvalidInputError([f"{origin} is no YAML: line {line}: {error.problem}"]) from error
    except yaml.YAMLError as error:
        raise InvalidInputError([f"{origin} is no YAML: {error}"]) from error
    return flatten(documents, origin=origin)


def flatten(documents: t.Iterable[t.Any], *, origin: str) -> list[Object]:
    """Return the documents that are not empty, those of lists one by one. :raises InvalidInputError: for all faults."""
    found: list[Object] = []
    problems: list[str] = []
    for number, document in enumerate(documents, start=1):
        if document is None:
            continue
        for each in _items(document):
            fault = _fault(each)
            if fault:
                problems.append(f"{origin}, document {number}: {fault}")
            else:
                found.append(each)
    if problems:
        raise InvalidInputError(problems)
    return found


def _items(document: t.Any) -> list[t.Any]:
    if isinstance(document, dict) and document.get("kind") == "List" and isinstance(document.get("items"), list):
        return list(document["items"])
    return [document]


def _fault(document: t.Any) -> str:
    """Return why a document cannot be an object; empty if it can."""
    if not isinstance(document, dict):
        return f"is no mapping but {type(document).__name__}"
    for key in ("apiVersion", "kind"):
        if not isinstance(document.get(key), str) or not document[key]:
            return f"has no {key}"
    meta = document.get("metadata")
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str) or not meta["name"]:
        return f"{document['kind']} has no metadata.name"
    return ""


def checked(documents: t.Sequence[Object]) -> list[Object]:
    """Return the documents if no object is there twice. :raises InvalidInputError:"""
    named = Counter((each["apiVersion"], each["kind"], *object_key(each)) for each in documents)
    problems = [
        f"{title(kind, name, namespace)} is given {count} times"
        for (_version, kind, namespace, name), count in named.items()
        if count > 1
    ]
    if not documents:
        problems.append("there is no document: give some by definition or src")
    if problems:
        raise InvalidInputError(problems)
    return list(documents)


def patched(documents: t.Sequence[Object], patches: t.Sequence[Patch]) -> list[Object]:
    """Return the documents, changed by those patches that name their kind and name. :raises InvalidInputError:

    A patch that finds no document is an error: it was written for another version of the documents.
    """
    changed, problems = copy.deepcopy(list(documents)), []
    for patch in patches:
        wanted = patch["kind"], patch["name"]
        targets = [each for each in changed if (each["kind"], each["metadata"]["name"]) == wanted]
        if not targets:
            problems.append(f"the patch of {' '.join(wanted)} finds no such document")
        problems += [
            f"the patch of {' '.join(wanted)} finds no {operation['path']}"
            for target, operation in itertools.product(targets, patch["operations"])
            if not _operate(target, **operation)
        ]
    if problems:
        raise InvalidInputError(problems)
    return changed


def _operate(target: Object, *, op: str, path: str, value: t.Any = None) -> bool:
    """Carry out one operation of a JSON Patch, RFC 6902; False if there is no such place."""
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    place: t.Any = target
    for part in parents:
        if not _has(place, part):
            return False
        place = place[int(part)] if isinstance(place, list) else place[part]
    if op == "add" and isinstance(place, list) and (last == "-" or last.isdigit()):
        place.insert(len(place) if last == "-" else int(last), value)
        return True
    if not (_has(place, last) or (op == "add" and isinstance(place, dict))):
        return False
    key = int(last) if isinstance(place, list) else last
    if op == "remove":
        del place[key]
    else:
        place[key] = value
    return True


def _has(place: t.Any, part: str) -> bool:
    if isinstance(place, list):
        return part.isdigit() and int(part) < len(place)
    return isinstance(place, dict) and part in place
