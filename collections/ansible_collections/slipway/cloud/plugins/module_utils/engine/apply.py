# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes: server-side apply, delete, and what tells one state of an object from another."""

from __future__ import annotations

import copy
import json
import typing as t

from .client import APPLY_PATCH, JSON_PATCH, MERGE_PATCH
from .errors import NotFoundError, NotOursError
from .resources import MANAGED_BY, OURS, Object, Resource, object_key, title
from .workloads import replica_places

if t.TYPE_CHECKING:
    from .client import Client

FIELD_MANAGER = "slipway"

# What the server and its controllers write: never ours to declare, and no difference to speak of.
_SERVER_METADATA = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_SERVER_ANNOTATIONS = ("deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation")


def read(client: Client, resource: Resource, namespace: str | None, name: str) -> Object | None:
    """Return an object, None if there is none of that name."""
    try:
        return client.get(resource.path(namespace, name), action=f"read {title(resource.kind, name, namespace)}")
    except NotFoundError:
        return None


def read_ours(client: Client, resource: Resource, namespace: str | None, name: str) -> Object | None:
    """Return an object that this project made, None if there is none of that name. :raises NotOursError:"""
    found = read(client, resource, namespace, name)
    if found and not is_ours(found):
        raise not_ours(found)
    return found


def apply(
    client: Client,
    resource: Resource,
    obj: Object,
    *,
    manager: str = FIELD_MANAGER,
    dry_run: bool = False,
    force: bool = True,
) -> Object:
    """Declare the fields of ``obj`` by server-side apply and return the whole object as the server keeps it.

    Fields that ``manager`` declared before and no longer does are removed; unknown fields are refused. With
    ``metadata.uid`` only that very object is changed, never made anew.
    """
    query = {**_query(manager, dry_run=dry_run), "force": str(force).lower()}
    path, name = _place(resource, obj)
    return client.request("PATCH", path, query, body=obj, content_type=APPLY_PATCH, action=f"apply {name}")


def create(client: Client, resource: Resource, obj: Object, *, manager: str = FIELD_MANAGER) -> Object:
    """Make an object and return it as the server keeps it; ConflictError if there is one of that name.

    A request whose answer was lost is repeated, so that one may be this very call's: who must know marks his own.
    """
    namespace, name = object_key(obj)
    path, query = resource.path(namespace), _query(manager, dry_run=False)
    return client.request("POST", path, query, body=obj, action=f"create {title(resource.kind, name, namespace)}")


def patch(client: Client, resource: Resource, current: Object, changes: Object, *, dry_run: bool = False) -> Object:
    """Merge ``changes`` into the very object that ``current`` is, and return it; ConflictError if it is another now."""
    body = {**changes, "metadata": {**changes.get("metadata", {}), "uid": current["metadata"]["uid"]}}
    path, name = _place(resource, current)
    query = _query(dry_run=dry_run)
    return client.request("PATCH", path, query, body=body, content_type=MERGE_PATCH, action=f"change {name}")


def scale(client: Client, resource: Resource, current: Object, replicas: int, *, dry_run: bool = False) -> Object:
    """Give the very object that ``current`` is another number of replicas, where it takes it from, and return it.

    By a JSON Patch, RFC 6902: the object's controller may write other fields meanwhile.
    """
    places = replica_places(current)
    body: list[Object] = [{"op": "test", "path": "/metadata/uid", "value": current["metadata"]["uid"]}]
    body += [{"op": "add", "path": place, "value": replicas} for place in places]
    path, name = _place(resource, current)
    query = _query(dry_run=dry_run)
    return client.request("PATCH", path, query, body=body, content_type=JSON_PATCH, action=f"scale {name}")


def delete(client: Client, resource: Resource, current: Object, *, foreground: bool = True) -> Object:
    """Delete the very object that ``current`` is, in the foreground after everything it controls.

    Returns the object as it waits for its end, ``current`` if it is gone already; ConflictError if it is another now.
    """
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Foreground" if foreground else "Background",
        "preconditions": {"uid": current["metadata"]["uid"]},
    }
    path, name = _place(resource, current)
    try:
        answer = client.request("DELETE", path, body=body, action=f"delete {name}")
    except NotFoundError:
        return current
    return answer if answer.get("kind") == resource.kind else current  # else a Status: nothing had to be waited for


def _query(manager: str = FIELD_MANAGER, *, dry_run: bool) -> dict[str, str]:
    """Return what every write asks for: unknown fields are refused."""
    return {"fieldManager": manager, "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})


def _place(resource: Resource, obj: Object) -> tuple[str, str]:
    """Return an object's path, and how messages name it."""
    namespace, name = object_key(obj)
    return resource.path(namespace, name), title(resource.kind, name, namespace)


def is_ours(obj: Object) -> bool:
    """Whether this project made an object."""
    return (obj["metadata"].get("labels") or {}).get(MANAGED_BY) == OURS


def not_ours(obj: Object) -> NotOursError:
    """Return the error of an object that this project did not make."""
    namespace, name = object_key(obj)
    return NotOursError(
        f"{title(obj['kind'], name, namespace)} exists and was not made by Slipway (no label {MANAGED_BY}={OURS}); "
        "it was not touched. Choose another name, or delete it yourself."
    )


def cleaned(obj: Object | None) -> Object:
    """Return a copy of an object without what the server and its controllers write; empty for None."""
    if obj is None:
        return {}
    kept = copy.deepcopy({key: value for key, value in obj.items() if key != "status"})
    for key in _SERVER_METADATA:
        kept["metadata"].pop(key, None)
    annotations = kept["metadata"].get("annotations", {})
    for key in _SERVER_ANNOTATIONS:
        annotations.pop(key, None)
    if not annotations:
        kept["metadata"].pop("annotations", None)
    return kept


def differs(before: Object, after: Object, manager: str = FIELD_MANAGER) -> bool:
    """Whether what ``manager`` declares of an object has changed; what others wrote in between does not count.

    Where the server does not tell who declares what, everything counts. The form of its answer is ``fieldsV1`` of
    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/.
    """
    then, now = cleaned(before), cleaned(after)
    declared = [fields for obj in (before, after) for fields in _declared(obj, manager)]
    if then == now or not declared:
        return then != now
    return any(_part(then, fields) != _part(now, fields) for fields in declared)


def _declared(obj: Object, manager: str) -> list[Object]:
    entries = obj["metadata"].get("managedFields") or []
    return [entry.get("fieldsV1") or {} for entry in entries if entry.get("manager") == manager]


def _part(value: t.Any, fields: Object) -> t.Any:
    """Return what these fields are of a value, in its order; a field without fields of its own is whole."""
    inner = {key: each for key, each in fields.items() if key != "."}
    if inner and isinstance(value, dict):
        return {key: _part(each, inner[f"f:{key}"]) for key, each in value.items() if f"f:{key}" in inner}
    if inner and isinstance(value, list):
        return [_part(item, each) for item in value for key, each in inner.items() if _is_item(item, key)]
    return value


def _is_item(item: t.Any, key: str) -> bool:
    """Whether an item of a list is the one of a key: ``k:`` and the fields that tell it, or ``v:`` and its value."""
    kind, _colon, text = key.partition(":")
    wanted = json.loads(text)
    return bool(item == wanted if kind == "v" else isinstance(item, dict) and wanted.items() <= item.items())


def declares(obj: Object, manager: str, *path: str) -> bool:
    """Whether ``manager`` declared the field at ``path`` by server-side apply."""
    return any(
        _holds(entry.get("fieldsV1") or {}, path)
        for entry in obj["metadata"].get("managedFields") or []
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")
    )


def _holds(fields: Object, path: tuple[str, ...]) -> bool:
    return not path or (f"f:{path[0]}" in fields and _holds(fields[f"f:{path[0]}"], path[1:]))


def keep_replicas(obj: Object, current: Object | None) -> Object:
    """Return ``obj`` with the current number of replicas, where it names none and we once named one.

    Without it the server would fall back to the default. A number that an autoscaler set stays the autoscaler's.
    """
    if current is None or not declares(current, FIELD_MANAGER, "spec", "replicas") or "replicas" in obj.get("spec", {}):
        return obj
    return {**obj, "spec": {**obj.get("spec", {}), "replicas": current["spec"]["replicas"]}}
