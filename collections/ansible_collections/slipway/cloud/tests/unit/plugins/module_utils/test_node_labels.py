# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the module node_labels' decisions."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._node_labels import (
    Declaration,
    Taint,
    change_of,
    commands,
    problems_of,
    selected,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import InvalidInputError

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

NOTE = "slipway.dev/declared-by-site"
BATCH = {"key": "batch", "effect": "NoSchedule"}
LOST = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}


def node(labels: dict[str, str], taints: t.Sequence[Taint] = (), *, ours: dict[str, list[str]] | None = None) -> Object:
    annotations = {NOTE: json.dumps(ours)} if ours else {}
    meta = {"name": "node1", "resourceVersion": "7", "labels": labels, "annotations": annotations}
    return {"metadata": meta, "spec": {"taints": list(taints)} if taints else {}}


def declared(labels: dict[str, str] | None = None, taints: t.Sequence[Taint] = ()) -> Declaration:
    return Declaration(labels or {}, taints, "site")


@pytest.mark.parametrize(
    ("before", "declaration", "written", "note"),
    [
        (node({}), declared({"a": "1"}), {"a": "1"}, {"labels": ["a"], "taints": []}),
        (node({"a": "0"}), declared({"a": "1"}), {"a": "1"}, {"labels": ["a"], "taints": []}),
        (
            node({"a": "1"}, ours={"labels": ["a"]}),
            declared({"b": "2"}),
            {"a": None, "b": "2"},
            {"labels": ["b"], "taints": []},
        ),
        (node({"a": "1", "b": "2"}, ours={"labels": ["a"]}), declared(), {"a": None}, None),
        (node({"a": "1"}, ours={"labels": ["a", "lost"]}), declared({"a": "1"}), {}, {"labels": ["a"], "taints": []}),
    ],
)
def test_labels(before: Object, declaration: Declaration, written: Object, note: Object | None) -> None:
    patch = change_of(before, declaration).patch
    assert patch == {"metadata": {"labels": written, "annotations": {NOTE: note and json.dumps(note)}}}


@pytest.mark.parametrize(
    ("before", "declaration"),
    [
        (node({}), declared()),
        (node({"other": "1"}), declared()),
        (node({"a": "1"}, ours={"labels": ["a"]}), declared({"a": "1"})),
        (node({"a": "1"}), declared({"a": "1"})),
        (node({}, [BATCH], ours={"taints": ["batch:NoSchedule"]}), declared(taints=[{**BATCH, "value": ""}])),
    ],
)
def test_nothing_to_do(before: Object, declaration: Declaration) -> None:
    assert change_of(before, declaration).patch == {}


@pytest.mark.parametrize(
    ("before", "taints", "expected"),
    [
        (node({}), [BATCH], [BATCH]),
        (node({}, [LOST]), [BATCH], [LOST, BATCH]),
        (node({}, [LOST, BATCH], ours={"taints": ["batch:NoSchedule"]}), [], [LOST]),
        (node({}, [BATCH]), [{**BATCH, "value": "x"}], [{**BATCH, "value": "x"}]),
    ],
)
def test_taints(before: Object, taints: list[Taint], expected: list[Taint]) -> None:
    patch = change_of(before, declared(taints=taints)).patch
    assert patch["spec"] == {"taints": expected}
    assert patch["metadata"]["resourceVersion"] == "7"


def test_change_shows_all_labels() -> None:
    change = change_of(node({"b": "2"}), declared({"a": "1"}))
    assert (change.before["labels"], change.after["labels"]) == ({"b": "2"}, {"a": "1", "b": "2"})


@pytest.mark.parametrize(
    ("before", "declaration", "typed"),
    [
        (node({"a": "1"}), declared({"a": "1"}), []),
        (
            node({"a": "1"}, ours={"labels": ["a"]}),
            declared({"b": "2"}),
            ["kubectl label --overwrite node node1 a- b=2"],
        ),
        (
            node({}, [BATCH, LOST], ours={"taints": ["batch:NoSchedule"]}),
            declared(taints=[{"key": "slow", "value": "yes", "effect": "NoSchedule"}]),
            ["kubectl taint --overwrite node node1 slow=yes:NoSchedule batch:NoSchedule-"],
        ),
        (
            node({}, [{**BATCH, "value": "old"}]),
            declared({"a": ""}, [{**BATCH, "value": "new"}]),
            [
                "kubectl label --overwrite node node1 a=",
                "kubectl taint --overwrite node node1 batch=new:NoSchedule",
            ],
        ),
    ],
)
def test_commands(before: Object, declaration: Declaration, typed: list[str]) -> None:
    assert commands(change_of(before, declaration)) == typed


@pytest.mark.parametrize(
    ("declaration", "problem"),
    [
        (Declaration({}, [], "No label"), "declared_by 'No label'"),
        (declared({"a b": "1"}), "label key 'a b'"),
        (declared(taints=[{"key": "a b", "value": "", "effect": "NoSchedule"}]), "taint key 'a b'"),
        (declared(taints=[{**BATCH, "value": ""}] * 2), "taint batch:NoSchedule is given twice"),
    ],
)
def test_problem(declaration: Declaration, problem: str) -> None:
    [found] = problems_of(declaration)
    assert problem in found


NODES: list[Object] = [{"metadata": {"name": name}} for name in ("node1", "node2")]


@pytest.mark.parametrize(("names", "expected"), [(["node2"], ["node2"]), (None, ["node1", "node2"])])
def test_selected(names: list[str] | None, expected: list[str]) -> None:
    assert [each["metadata"]["name"] for each in selected(NODES, names, "a=b")] == expected


@pytest.mark.parametrize(
    ("nodes", "names", "message"),
    [(NODES, ["node9"], "There is no node node9; known nodes: node1, node2"), ([], None, "No node matches 'a=b'")],
)
def test_no_such_node(nodes: list[Object], names: list[str] | None, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        selected(nodes, names, "a=b")
