# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Whether Redis, as it is wanted, fits what a Kubernetes has, and what is to be known of that. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .engine.apply import is_ours, not_ours
from .engine.scheduling import quantity

if t.TYPE_CHECKING:
    from .engine.resources import Object

Spread = t.Literal["auto", "required", "preferred"]

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
VOLUME = "data"
# What keeps pods off a node for a while only: whether each pod can have a node of its own does not depend on it.
_PASSING = ("node.kubernetes.io/", "ToBeDeletedByClusterAutoscaler")
_LASTING = ("node.kubernetes.io/out-of-service",)
_KEEPS_OFF = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, kw_only=True)
class SetWanted:
    """A StatefulSet, as it is wanted: its pods, and how much the volume of each holds."""

    name: str
    replicas: int
    size: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a Kubernetes shows; None for what the credentials may not look at, or nobody asked for."""

    sets: t.Mapping[str, Object | None]
    services: t.Sequence[Object]
    claims: t.Sequence[Object]
    storage_classes: t.Sequence[Object] | None
    nodes: t.Sequence[Object] | None


def problems_of(found: Found, wanted: t.Sequence[SetWanted], storage_class: str) -> list[str]:
    """Return what cannot be, one text each with the remedy."""
    return [
        *(problem for each in wanted for problem in _of_set(found.sets.get(each.name), each, storage_class)),
        *_of_class(found.storage_classes, storage_class, new=not any(found.sets.values())),
    ]


def _of_set(current: Object | None, wanted: SetWanted, storage_class: str) -> t.Iterator[str]:
    if current is None:
        return
    if not is_ours(current):
        yield f"{not_ours({'kind': 'StatefulSet', **current})} redis_namespace names another place."
        return
    claim = next((each for each in current["spec"].get("volumeClaimTemplates") or () if _name(each) == VOLUME), None)
    if claim is None:
        return
    size, held_class = claim["spec"]["resources"]["requests"]["storage"], claim["spec"].get("storageClassName", "")
    option = "redis_size" if wanted.name == "redis" else "redis_sentinel_size"
    if quantity(size) != quantity(wanted.size):
        yield (
            f"{option} is {wanted.size}, and the volumes of {wanted.name} have {size}: a StatefulSet keeps "
            f"the size that it was made with. Give {option}: {size}; for larger volumes back up, remove, "
            "install and restore, see docs/operations.md"
        )
    if held_class != storage_class:
        yield (
            f"redis_storage_class is {storage_class or 'none'}, and the volumes of {wanted.name} are of "
            f"{held_class or 'the default class'}: a StatefulSet keeps the class that it was made with. "
            f"Give redis_storage_class: {held_class or repr('')}"
        )


def _of_class(classes: t.Sequence[Object] | None, wanted: str, *, new: bool) -> t.Iterator[str]:
    if classes is None or not new:
        return
    names = [_name(each) for each in classes]
    if wanted and wanted not in names:
        yield f"there is no StorageClass {wanted}: name one of {', '.join(names) or 'none'} by redis_storage_class"
    if not wanted and not any(_notes(each).get(DEFAULT_CLASS) == "true" for each in classes):
        yield (
            "there is no default StorageClass: name one by redis_storage_class"
            f"{' (' + ', '.join(names) + ')' if names else ''}, or have one installed by addons_storage: auto"
        )


def is_virgin(found: Found) -> bool:
    """Whether nothing of an earlier Redis is there, neither pods nor data: only then an empty one may be the master."""
    return not any(found.sets.values()) and not any(_name(each).startswith(f"{VOLUME}-redis-") for each in found.claims)


def addresses(found: Found) -> dict[str, str]:
    """Return the address of each Service that has one."""
    given = {_name(each): each["spec"].get("clusterIP", "") for each in found.services}
    return {name: address for name, address in given.items() if address not in ("", "None")}


def refusing_address(found: Found) -> str:
    """Return an address of the oldest node, which refuses who connects to a port that nobody has; "" if none is known.

    The oldest, because it stays that one for as long as it is there.
    """
    nodes = sorted(found.nodes or (), key=lambda node: (node["metadata"].get("creationTimestamp", ""), _name(node)))
    given = [each for node in nodes for each in (node.get("status") or {}).get("addresses") or ()]
    return next((str(each["address"]) for each in given if each["type"] == "InternalIP"), "")


def spread(found: Found, choice: Spread, wanted: t.Sequence[SetWanted], selector: t.Mapping[str, str]) -> Spread:
    """Return whether no two pods of a set may share a node; where nodes may not be seen, it stays as it is."""
    if choice != "auto":
        return choice
    if found.nodes is None:
        return "required" if any(_is_required(each) for each in found.sets.values() if each) else "preferred"
    return "required" if len(usable(found.nodes, selector)) >= max(each.replicas for each in wanted) else "preferred"


def usable(nodes: t.Sequence[Object], selector: t.Mapping[str, str]) -> list[str]:
    """Return the nodes that would take a pod, now or when what keeps them from it has passed."""
    return [
        _name(node)
        for node in nodes
        if selector.items() <= (node["metadata"].get("labels") or {}).items()
        and not any(_keeps_off(taint) for taint in node["spec"].get("taints") or ())
    ]


def warnings(found: Found, wanted: t.Sequence[SetWanted], selector: t.Mapping[str, str]) -> list[str]:
    """Return what works, and is to be known."""
    most = max(each.replicas for each in wanted)
    data = next(each.replicas for each in wanted if each.name == "redis")
    said = [] if data > 1 else ["Redis has one data pod: nothing takes over when that is lost, see redis_replicas."]
    if found.nodes is None:
        return [
            *said,
            "These credentials may not list nodes: whether each pod of Redis has one of its own is not known.",
        ]
    count = len(usable(found.nodes, selector))
    if count == 1:
        return [*said, "Redis runs on one node only: it is NOT highly available, whatever becomes of that node."]
    if count < most:
        return [*said, f"{most} pods of Redis share {count} nodes: losing one node may be losing the majority."]
    return said


def leaving(found: Found, wanted: t.Sequence[SetWanted]) -> list[str]:
    """Return the pods that there are to be no longer: their Services stay until all is done that is to be done."""
    names = [_name(each).rpartition("-") for each in found.services]
    replicas = {each.name: each.replicas for each in wanted}
    gone = [
        (of, int(number))
        for of, dash, number in names
        if dash and number.isdecimal() and int(number) >= replicas.get(of, 1 << 31)
    ]
    return [f"{of}-{number}" for of, number in sorted(gone)]


def _keeps_off(taint: Object) -> bool:
    passing = taint["key"].startswith(_PASSING) and taint["key"] not in _LASTING
    return taint["effect"] in _KEEPS_OFF and not passing


def _is_required(stateful_set: Object) -> bool:
    affinity = stateful_set["spec"]["template"]["spec"].get("affinity") or {}
    return "requiredDuringSchedulingIgnoredDuringExecution" in (affinity.get("podAntiAffinity") or {})


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _notes(obj: Object) -> Object:
    return obj["metadata"].get("annotations") or {}
