# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this plugin util is PRIVATE to the collection: it can have breaking changes at any time.
"""Documents that declare objects: text in, documents out, each with its place; what is wrong with them, all at once."""

from __future__ import annotations

import copy
import itertools
import json
import typing as t

import yaml

from ..module_utils.engine.cluster import name_problems, subdomain_problems
from ..module_utils.engine.errors import InvalidInputError
from ..module_utils.engine.resources import Object, object_key, title

Patch = t.Mapping[str, t.Any]

SUFFIXES = (".yaml", ".yml", ".json")
TIMEOUT = "slipway.dev/wait-timeout"
"""The annotation with the seconds that an object may take, where that differs from the others of its task."""

_MOST_BYTES = 3 << 20  # MaxRequestBodyBytes of k8s.io/apiserver; etcd takes half of it, unless it is told otherwise
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_LABEL_NAMES = (("", "Namespace"), ("", "Service"))
_RBAC = "rbac.authorization.k8s.io"  # names of any path segment


class Document(t.NamedTuple):
    """A declared object, and where it was declared: C(app.yaml, document 2)."""

    obj: Object
    origin: str

    @property
    def title(self) -> str:
        """How messages name it."""
        namespace, name = object_key(self.obj)
        return f"{self.origin}: {title(self.obj['kind'], name, namespace)}"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # in C where there is one
    """Reads YAML as Kubernetes does: a date is a string. A key that is given twice is a mistake."""

    yaml_implicit_resolvers: t.ClassVar = {
        first: [row for row in rows if row[0] != _TIMESTAMP]
        for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[t.Hashable, t.Any]:
        """Return a mapping. :raises yaml.MarkedYAMLError: for a key that is given twice."""
        seen: set[str] = set()
        for key, _value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        mapping: dict[t.Hashable, t.Any] = super().construct_mapping(node, deep=deep)
        return mapping


def load(text: str, *, origin: str) -> list[t.Any]:
    """Return what the documents of a YAML or JSON text hold, None for an empty one. :raises InvalidInputError:"""
    if text.lstrip().startswith("{"):
        try:
            return [json.loads(text)]
        except ValueError:
            pass  # what is no JSON may be YAML, and its message tells more
    try:
        return list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InvalidInputError([f"{origin} is neither YAML nor JSON: line {line}: {error.problem}"]) from error
    except yaml.YAMLError as error:
        raise InvalidInputError([f"{origin} is neither YAML nor JSON: {error}"]) from error


def parse(text: str, *, origin: str) -> list[Document]:
    """Return the documents of a text, those of a List one by one. :raises InvalidInputError: for a text without any."""
    documents = flatten(load(text, origin=origin), origin=origin)
    if not documents:
        raise InvalidInputError([f"{origin} holds no document: is it the right file?"])
    return documents


def flatten(documents: t.Iterable[t.Any], *, origin: str) -> list[Document]:
    """Return the documents that are not empty, those of lists one by one. :raises InvalidInputError: for all faults."""
    found: list[Document] = []
    problems: list[str] = []
    for number, document in enumerate(documents, start=1):
        place = f"{origin}, document {number}"
        for each in [] if document is None else _items(document):
            fault = _fault(each)
            if fault:
                problems.append(f"{place}: {fault}")
            else:
                found.append(Document(each, place))
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


def checked(documents: t.Sequence[Document]) -> list[Document]:
    """Return the documents if they are fit to be sent. :raises InvalidInputError: for all faults."""
    places: dict[tuple[str, ...], list[str]] = {}
    for document in documents:
        obj = document.obj
        places.setdefault((obj["apiVersion"], obj["kind"], *object_key(obj)), []).append(document.origin)
    problems = [
        f"{title(kind, name, namespace)} is given {len(origins)} times: {'; '.join(origins)}"
        for (_version, kind, namespace, name), origins in places.items()
        if len(origins) > 1
    ]
    problems += [f"{each.title}: {problem}" for each in documents for problem in _problems(each.obj)]
    if not documents:
        problems.append("there is no document: give some by definition or src")
    if problems:
        raise InvalidInputError(problems)
    return list(documents)


def _problems(obj: Object) -> list[str]:
    """Return what no server would take of an object."""
    group, kind, name = obj["apiVersion"].rpartition("/")[0], obj["kind"], obj["metadata"]["name"]
    namespace = obj["metadata"].get("namespace")
    problems = name_problems("namespace", namespace) if namespace else []
    if (group, kind) in _LABEL_NAMES:
        problems += name_problems("name", name)
    elif group != _RBAC:
        problems += subdomain_problems("name", name)
    try:
        size = len(json.dumps(obj))
    except TypeError as error:
        return [*problems, f"holds what JSON cannot: {error}"]
    if size > _MOST_BYTES:
        most, much = (f"{number / (1 << 20):.1f} MiB" for number in (_MOST_BYTES, size))
        problems.append(f"is {much} long, and an API server takes {most}: split it, or keep the data elsewhere")
    if not isinstance(_timeout(obj), (float, type(None))):
        problems.append(f"annotation {TIMEOUT} is no number of seconds")
    return problems


def _timeout(obj: Object) -> float | str | None:
    text = (obj["metadata"].get("annotations") or {}).get(TIMEOUT)
    try:
        return None if text is None else float(text)
    except (TypeError, ValueError):
        return str(text)


def timeout_of(obj: Object) -> float | None:
    """Return the seconds that an object that was checked may take, None if it names none."""
    return t.cast("float | None", _timeout(obj))


def origins_of(documents: t.Iterable[Document]) -> t.Callable[[Object], str]:
    """Return what tells of an object where it was declared."""
    known = {(each.obj["kind"], *object_key(each.obj)): each.origin for each in documents}
    return lambda obj: known.get((obj["kind"], *object_key(obj)), "")


def patched(documents: t.Sequence[Document], patches: t.Sequence[Patch]) -> list[Document]:
    """Return the documents, changed by those patches that name their kind and name. :raises InvalidInputError:

    A patch that finds no document is an error: it was written for another version of the documents.
    """
    changed, problems = [Document(copy.deepcopy(each.obj), each.origin) for each in documents], []
    for patch in patches:
        wanted = patch["kind"], patch["name"]
        targets = [each.obj for each in changed if (each.obj["kind"], each.obj["metadata"]["name"]) == wanted]
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
