# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""The module node_labels' decisions: which labels and taints of a node to write, and which to take away. Pure.

What was set is noted in an annotation of the node, so that it can be told from what others set.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from .engine.cluster import label_problems, name_problems
from .engine.errors import InvalidInputError

if t.TYPE_CHECKING:
    from .engine.resources import Object

Taint = t.Mapping[str, str]
_ANNOTATION = "slipway.dev/declared-by-"


@dataclass(frozen=True, slots=True)
class Declaration:
    """The labels and taints that nodes are to have, and in whose name."""

    labels: t.Mapping[str, str]
    taints: t.Sequence[Taint]
    declared_by: str

    @property
    def annotation(self) -> str:
        """The annotation that notes what was set."""
        return _ANNOTATION + self.declared_by


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of one node: ``patch`` is a merge patch, empty if the node is as declared."""

    name: str
    before: dict[str, t.Any]
    after: dict[str, t.Any]
    patch: Object


def problems_of(declaration: Declaration) -> list[str]:
    """Return everything that is wrong with a declaration and can be known without asking a server."""
    taints = [_taint_key(taint) for taint in declaration.taints]
    problems = name_problems("declared_by", declaration.declared_by)
    problems += label_problems(declaration.labels)
    for taint in declaration.taints:
        problems += label_problems({taint["key"]: taint.get("value") or ""}, what="taint")
    problems += [f"taint {key} is given twice" for key in sorted({key for key in taints if taints.count(key) > 1})]
    return problems


def selected(nodes: t.Sequence[Object], names: t.Sequence[str] | None, selector: str | None) -> list[Object]:
    """Return the nodes of those names, or all if a selector has chosen them. :raises InvalidInputError:"""
    by_name = {node["metadata"]["name"]: node for node in nodes}
    if names is None:
        if not nodes:
            raise InvalidInputError([f"No node matches {selector!r}: compare it with kubectl get nodes --show-labels."])
        return list(nodes)
    missing = [name for name in names if name not in by_name]
    if missing:
        known = ", ".join(sorted(by_name)) or "none"
        raise InvalidInputError([f"There is no node {', '.join(missing)}; known nodes: {known}. Nothing was changed."])
    return [by_name[name] for name in dict.fromkeys(names)]


def change_of(node: Object, declaration: Declaration) -> Change:
    """Return what has to be changed on a node for it to be as declared."""
    meta = node["metadata"]
    labels, taints = dict(meta.get("labels") or {}), list(node["spec"].get("taints") or [])
    noted = json.loads((meta.get("annotations") or {}).get(declaration.annotation, "{}"))
    ours = {"labels": set(noted.get("labels", [])), "taints": set(noted.get("taints", []))}

    wanted_taints = {_taint_key(taint): _taint(taint) for taint in declaration.taints}
    new_labels = {k: v for k, v in labels.items() if k not in ours["labels"]} | dict(declaration.labels)
    kept = [taint for taint in taints if _taint_key(taint) not in ours["taints"] | wanted_taints.keys()]
    new_taints = kept + list(wanted_taints.values())
    # What somebody else had set to the same value stays his, and is left to him when it is declared no more.
    note = {
        "labels": sorted(k for k, v in declaration.labels.items() if k in ours["labels"] or labels.get(k) != v),
        "taints": sorted(key for key, taint in wanted_taints.items() if key in ours["taints"] or taint not in taints),
    }
    before, after = _state(labels, taints), _state(new_labels, new_taints)
    if before == after and note == {key: sorted(values) for key, values in ours.items()}:
        return Change(meta["name"], before, after, {})
    written = {key: new_labels.get(key) for key in labels.keys() | new_labels if labels.get(key) != new_labels.get(key)}
    annotation = json.dumps(note) if any(note.values()) else None
    patch: Object = {"metadata": {"labels": written, "annotations": {declaration.annotation: annotation}}}
    if before["taints"] != after["taints"]:
        # The list is replaced as a whole, so it must still be the one that was read.
        patch["metadata"]["resourceVersion"] = meta["resourceVersion"]
        patch["spec"] = {"taints": new_taints}
    return Change(meta["name"], before, after, patch)


def commands(change: Change) -> list[str]:
    """Return what to type for the same change to be made by hand."""
    labels = change.patch.get("metadata", {}).get("labels", {})
    before, after = ({_taint_key(taint): taint for taint in state["taints"]} for state in (change.before, change.after))
    words = {
        "label": [f"{key}-" if value is None else f"{key}={value}" for key, value in sorted(labels.items())],
        "taint": [
            *(_taint_text(taint) for key, taint in after.items() if before.get(key) != taint),
            *(f"{key}-" for key in before if key not in after),
        ],
    }
    return [f"kubectl {verb} --overwrite node {change.name} {' '.join(each)}" for verb, each in words.items() if each]


def _taint_text(taint: Taint) -> str:
    return f"{taint['key']}={taint['value']}:{taint['effect']}" if taint.get("value") else _taint_key(taint)


def _taint_key(taint: Taint) -> str:
    return f"{taint['key']}:{taint['effect']}"


def _taint(taint: Taint) -> dict[str, str]:
    return {key: taint[key] for key in ("key", "value", "effect") if taint.get(key)}


def _state(labels: t.Mapping[str, str], taints: t.Sequence[Taint]) -> dict[str, t.Any]:
    return {"labels": dict(sorted(labels.items())), "taints": sorted((dict(each) for each in taints), key=_taint_key)}
