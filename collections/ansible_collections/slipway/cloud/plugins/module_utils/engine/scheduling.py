# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a pod fits on no node: which node lacks what, by the rules of the scheduler's filters. Pure.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/ and .../taint-and-toleration/
"""

from __future__ import annotations

import typing as t

from .diagnosis import condition

if t.TYPE_CHECKING:
    from .resources import Object

_SUFFIXES = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_SUFFIXES |= {f"{letter}i": 1024.0 ** (power + 1) for power, letter in enumerate("KMGTPE")}
_NAMED_NODES = 3


def quantity(text: t.Any) -> float:
    """Return the number that a quantity such as 500m or 64Mi stands for; 0 for what is none."""
    text = str(text)
    suffix = next((each for each in sorted(_SUFFIXES, key=len, reverse=True) if text.endswith(each)), "")
    try:
        return float(text.removesuffix(suffix)) * _SUFFIXES.get(suffix, 1.0)
    except ValueError:
        return 0.0


def requests(pod: Object) -> dict[str, float]:
    """Return what a pod requests of each resource: the sum of its containers, or more if one that initialises does."""
    spec = pod.get("spec", {})
    total = _summed(spec.get("containers") or ())
    for container in spec.get("initContainers") or ():
        for name, amount in _summed([container]).items():
            total[name] = max(total.get(name, 0.0), amount)
    return total


def _summed(containers: t.Iterable[Object]) -> dict[str, float]:
    total: dict[str, float] = {}
    for container in containers:
        for name, amount in ((container.get("resources") or {}).get("requests") or {}).items():
            total[name] = total.get(name, 0.0) + quantity(amount)
    return total


def wanted_labels(pod: Object) -> list[str]:
    """Return the labels that a pod's node must have, as C(key=value) or C(key) where any value will do.

    A choice of several, as affinity knows it, is none of them.
    """
    spec = pod.get("spec", {})
    labels = [f"{key}={value}" for key, value in (spec.get("nodeSelector") or {}).items()]
    terms = _affinity_terms(spec)
    for expression in (terms[0].get("matchExpressions") or ()) if len(terms) == 1 else ():
        values = expression.get("values") or []
        if expression["operator"] == "Exists":
            labels.append(str(expression["key"]))
        elif expression["operator"] == "In" and len(values) == 1:
            labels.append(f"{expression['key']}={values[0]}")
    return labels


def missing_labels(pod: Object, nodes: t.Sequence[Object]) -> list[str]:
    """Return the labels that a pod's node must have and no node has."""
    return [label for label in wanted_labels(pod) if not any(_has(node, label) for node in nodes)]


def _labels(node: Object) -> t.Mapping[str, str]:
    return node["metadata"].get("labels") or {}


def _has(node: Object, label: str) -> bool:
    key, equals, value = label.partition("=")
    return key in _labels(node) and (not equals or _labels(node)[key] == value)


def _affinity_terms(spec: Object) -> list[Object]:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    return list(required.get("nodeSelectorTerms") or ())


_OPERATORS: dict[str, t.Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
    "Gt": lambda value, values: value is not None and quantity(value) > quantity(values[0]),
    "Lt": lambda value, values: value is not None and quantity(value) < quantity(values[0]),
}


def _matches(node: Object, term: Object) -> bool:
    return all(
        _OPERATORS[each["operator"]](_labels(node).get(each["key"]), each.get("values") or [])
        for each in term.get("matchExpressions") or ()
    )


def _tolerates(pod: Object, taint: Object) -> bool:
    return any(
        each.get("effect") in (None, "", taint["effect"])
        and (
            (each.get("operator") == "Exists" and each.get("key") in (None, "", taint["key"]))
            or (each.get("key") == taint["key"] and each.get("value", "") == taint.get("value", ""))
        )
        for each in pod.get("spec", {}).get("tolerations") or ()
    )


def _lacks(pod: Object, node: Object) -> list[str]:
    """Return why a node will not have a pod, be it as empty as it may."""
    spec, found = node.get("spec", {}), []
    if spec.get("unschedulable"):
        found.append("is cordoned")
    if condition(node, "Ready").get("status", "True") != "True":
        found.append("is not ready")
    found += [f"lacks label {label}" for label in wanted_labels(pod) if not _has(node, label)]
    terms = _affinity_terms(pod.get("spec", {}))
    if terms and not found and not any(_matches(node, term) for term in terms):
        found.append("does not match the node affinity")
    found += [
        f"has taint {taint['key']}{'=' * bool(taint.get('value'))}{taint.get('value', '')}:{taint['effect']}"
        for taint in spec.get("taints") or ()
        if taint["effect"] != "PreferNoSchedule"
        and not taint["key"].startswith("node.kubernetes.io/")  # those say what was said above
        and not _tolerates(pod, taint)
    ]
    return found


def _lacks_room(pod: Object, node: Object, used: t.Mapping[str, float] | None) -> list[str]:
    """Return which resources a node has too little of; ``used`` is what its pods request, None if unknown."""
    allocatable = node.get("status", {}).get("allocatable") or {}
    found = []
    for name, amount in {**requests(pod), "pods": 1.0}.items():
        has, taken = quantity(allocatable.get(name, 0)), (used or {}).get(name, 0.0)
        if amount > has:
            found.append(f"lacks {name}: {_shown(name, amount)} wanted, {_shown(name, has)} in all")
        elif amount > has - taken:
            free = f"{_shown(name, max(0.0, has - taken))} of {_shown(name, has)} free"
            found.append(f"lacks {name}: {_shown(name, amount)} wanted, {free}")
    return found


def _shown(name: str, amount: float) -> str:
    """Return an amount as people write it."""
    if name in ("memory", "ephemeral-storage"):
        return f"{amount / 1024**2:.0f}Mi" if amount < 1024**3 else f"{amount / 1024**3:.1f}Gi"
    return f"{amount:g}"


def candidates(pod: Object, nodes: t.Iterable[Object]) -> list[str]:
    """Return the names of the nodes that would have a pod if they were empty: what fills them is worth a look."""
    return [node["metadata"]["name"] for node in nodes if not _lacks(pod, node) and not _lacks_room(pod, node, None)]


def shortfalls(pod: Object, nodes: t.Iterable[Object], used: t.Mapping[str, t.Mapping[str, float]]) -> list[str]:
    """Return a line for each thing that nodes lack, with the names of those that do."""
    groups: dict[str, list[str]] = {}
    for node in nodes:
        name = node["metadata"]["name"]
        lacks = _lacks(pod, node) + _lacks_room(pod, node, used.get(name))
        if lacks:
            groups.setdefault(", ".join(lacks), []).append(name)
    return [f"{_listed(names)}: {what}" for what, names in groups.items()]


def _listed(names: list[str]) -> str:
    rest = len(names) - _NAMED_NODES
    shown = ", ".join(names[:_NAMED_NODES]) + (f" and {rest} more" if rest > 0 else "")
    return f"node{'s'[: len(names) > 1]} {shown}"
