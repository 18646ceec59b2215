# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of whatever kinds: those that others stand on go first, and come last when all are to go.

Everything that the server can judge is rehearsed before the first change. What stands on a namespace or a definition
that is still to be made, it cannot judge yet.
"""

from __future__ import annotations

import contextlib
import functools
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from .apply import FIELD_MANAGER, declares
from .diagnosis import Cause
from .discovery import await_kinds, collections, find
from .errors import EngineError, ForbiddenError, InvalidInputError
from .lifecycle import FOUNDATION, Action, Options, Result, misspelt, rank
from .lifecycle import ensure_absent as _ensure_absent
from .lifecycle import ensure_present as _ensure_present
from .resources import MANAGED_BY, OURS, Object, is_built_in, object_key

if t.TYPE_CHECKING:
    from .client import Client
    from .resources import Resource

Kind = tuple[str, str]  # apiVersion and kind

DECLARED_BY = "slipway.dev/declared-by"
_LABEL = ("metadata", "labels", DECLARED_BY)


def ours(document: Object) -> Object:
    """Return a document with the label by which our objects are known."""
    meta = document["metadata"]
    return {**document, "metadata": {**meta, "labels": {**(meta.get("labels") or {}), MANAGED_BY: OURS}}}


def kind_of(document: Object) -> Kind:
    """Return the kind of a document, with its version."""
    return document["apiVersion"], document["kind"]


def defined_kinds(documents: t.Iterable[Object]) -> set[Kind]:
    """Return the kinds that the CustomResourceDefinitions among the documents define."""
    specs = [each["spec"] for each in documents if each["kind"] == "CustomResourceDefinition"]
    return {
        (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
        for spec in specs
        for version in spec["versions"]
        if version.get("served", True)
    }


def ensure_present(client: Client, documents: t.Sequence[Object], options: Options | None = None) -> list[Result]:
    """Make all documents exist as declared and wait until all are ready; what others stand on is first in the results.

    :param documents: whole manifests. They get our label; those that name no namespace go to the client's.
    :raises EngineError: for whatever is wrong before anything was changed.
    """
    options = replace(options or Options(), family_labels=False)
    documents = [ours(each) for each in documents]
    foundation = [each for each in documents if each["kind"] in FOUNDATION]
    others = [each for each in documents if each["kind"] not in FOUNDATION]
    if not foundation or not others:
        return _ensure_present(client, documents, options)
    started = time.monotonic()
    rehearsed = _rehearse(client, foundation, others, replace(options, dry_run=True))
    if options.dry_run:
        return rehearsed
    results = _ensure_present(client, foundation, replace(options, wait=True, rehearsed=True))
    if any(each.cause for each in results):
        return results + [_result(each, "none") for each in others]
    needed = defined_kinds(foundation) & {kind_of(each) for each in others}

    def second_stage() -> list[Result]:
        await_kinds(client, needed, deadline=started + options.timeout)
        return _ensure_present(client, others, replace(_from_now(options, started), rehearsed=True))

    return results + _reported(others, second_stage)


def _rehearse(client: Client, foundation: list[Object], others: list[Object], options: Options) -> list[Result]:
    """Return what would be done; what stands on something that is yet to be made, or changed, would be created."""
    results = _ensure_present(client, foundation, options)
    pending = [each for each, result in zip(foundation, results, strict=True) if result.changed]
    kinds = defined_kinds(pending)
    namespaces = {result.name for result in results if result.kind == "Namespace" and result.action == "created"}

    def can_be_judged(document: Object) -> bool:
        namespace = object_key(document)[0] or client.namespace
        return namespace not in namespaces and kind_of(document) not in kinds

    judged = _ensure_present(client, [each for each in others if can_be_judged(each)], options)
    return results + judged + [_result(each, "created", after=each) for each in others if not can_be_judged(each)]


def ensure_absent(client: Client, documents: t.Sequence[Object], options: Options | None = None) -> list[Result]:
    """Delete all documents that exist, and wait until they and what they control are gone.

    What a controller among them looks after goes before it, and what the others stand on goes last.

    :param documents: manifests, of which kind, namespace and name are read.
    :raises EngineError: for whatever is wrong before anything was changed, an object that is not ours among it.
    """
    options = replace(options or Options(), family_labels=False)
    started = time.monotonic()
    known = [(document, find(client, *kind_of(document))) for document in map(ours, documents)]
    unknown = [document for document, resource in known if resource is None and is_built_in(document)]
    if problems := list(filter(None, (misspelt(client, each) for each in unknown))):
        raise InvalidInputError(problems)
    results = [_result(document, "absent") for document, resource in known if resource is None]
    placed = [(document, resource) for document, resource in known if resource]
    rehearsed = _ensure_absent(client, [document for document, _resource in placed], replace(options, dry_run=True))
    if options.dry_run:
        return results + rehearsed
    results += [result for result in rehearsed if result.action != "deleted"]
    there = [row for row, result in zip(placed, rehearsed, strict=True) if result.action == "deleted"]
    for layer in sorted({rank(resource) for _document, resource in there}, reverse=True):
        chosen = [document for document, resource in there if rank(resource) == layer]
        now = _from_now(options, started)
        if any(each.cause for each in results):
            results += [_result(document, "none") for document in chosen]
        else:
            results += _reported(chosen, functools.partial(_ensure_absent, client, chosen, now))
    return results


def declared(documents: t.Iterable[Object], by: str) -> list[Object]:
    """Return the documents with the label that notes in whose name they are declared."""
    return [
        {
            **each,
            "metadata": {**each["metadata"], "labels": {**(each["metadata"].get("labels") or {}), DECLARED_BY: by}},
        }
        for each in documents
    ]


def prune(client: Client, by: str, results: t.Sequence[Result], options: Options | None = None) -> list[Result]:
    """Delete what was declared in that name and is not among the results, and wait until it is gone.

    What merely has the label is left alone: controllers copy labels, as from a Service to its EndpointSlices.
    """
    options = options or Options()
    kept = {each.uid for each in results}
    namespaces = {each.namespace for each in results} - {""} | {client.namespace}

    def operation() -> list[Result]:
        with ThreadPoolExecutor(options.concurrency) as pool:
            lists = pool.map(lambda each: _labelled(client, each, by, namespaces), collections(client))
        found = {obj["metadata"]["uid"]: obj for objects in lists for obj in objects}
        surplus = [obj for uid, obj in found.items() if uid not in kept and declares(obj, FIELD_MANAGER, *_LABEL)]
        return ensure_absent(client, surplus, options)

    name = {"apiVersion": "", "kind": "What", "metadata": {"name": f"was declared by {by}"}}
    return _reported([name], operation)


def _labelled(client: Client, resource: Resource, by: str, namespaces: t.Iterable[str]) -> list[Object]:
    """Return the objects of a kind with the label; where not all may be listed, those of some namespaces."""
    query, action = {"labelSelector": f"{DECLARED_BY}={by}"}, f"list {resource.plural}"
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    try:
        items = client.get(resource.path(), query, action=action)["items"]
    except ForbiddenError:
        items = []
        for namespace in namespaces if resource.namespaced else ():
            with contextlib.suppress(ForbiddenError):  # who may not list them has hardly made any
                items += client.get(resource.path(namespace), query, action=action)["items"]
    return [{**item, **kind} for item in items]


def _reported(documents: t.Sequence[Object], operation: t.Callable[[], list[Result]]) -> list[Result]:
    """Return the results of an operation that is not the first one: what was done before it must not be lost."""
    try:
        return operation()
    except EngineError as error:
        cause = Cause(error.code, str(error), recoverable=False)
        return [replace(_result(each, "none"), cause=cause) for each in documents]


def _from_now(options: Options, started: float) -> Options:
    return replace(options, timeout=max(0.0, started + options.timeout - time.monotonic()))


def _result(document: Object, action: Action, *, after: Object | None = None) -> Result:
    namespace, name = object_key(document)
    return Result(kind=document["kind"], namespace=namespace, name=name, action=action, after=after or {})
