"""Declared labels and taints of nodes: set, kept, and removed when they are no longer declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.kubernetes import Kubernetes

PREFIX = "test.slipway.dev/"
TAINT = {"key": f"{PREFIX}slow", "effect": "PreferNoSchedule"}
FOREIGN = {"by-another": "hand"}


@pytest.fixture
def node(kubernetes: Kubernetes) -> Iterator[str]:
    """A node with a label of somebody else's."""
    node = list(kubernetes.addresses)[-1]
    kubernetes.kubectl("label", "node", node, f"{PREFIX}by-another=hand")
    yield node
    kubernetes.kubectl("label", "node", node, f"{PREFIX}by-another-")


def found(kubernetes: Kubernetes, node: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The labels with our prefix, without it, and the taints with it."""
    obj = kubernetes.get("node", node)
    labels = {key.removeprefix(PREFIX): value for key, value in obj["metadata"]["labels"].items() if PREFIX in key}
    return labels, [taint for taint in obj["spec"].get("taints", []) if PREFIX in taint["key"]]


def test_declared_changed_and_withdrawn(kubernetes: Kubernetes, node: str) -> None:
    steps: list[tuple[dict[str, str], list[dict[str, str]]]] = [
        ({"a": "1", "b": "2"}, [TAINT]),
        ({"a": "3"}, [TAINT]),
        ({"a": "3"}, []),
        ({}, []),
    ]
    for labels, taints in steps:
        declared = {f"{PREFIX}{key}": value for key, value in labels.items()}
        options: dict[str, Any] = {"nodes": [node], "labels": declared, "taints": taints, "declared_by": "test"}
        answer = module("node_labels", options, kubeconfig=kubernetes.kubeconfig)
        assert (answer.code, answer.result["changed"]) == (0, True), answer.output
        assert found(kubernetes, node) == ({**FOREIGN, **labels}, taints)


@pytest.mark.parametrize(
    ("labels", "flags", "changed"), [({}, [], False), ({"c": "1"}, ["--check"], True)], ids=["same", "check mode"]
)
def test_nothing_changes(
    kubernetes: Kubernetes, node: str, labels: dict[str, str], flags: list[str], changed: bool
) -> None:
    declared = {f"{PREFIX}{key}": value for key, value in labels.items()}
    options = {"nodes": [node], "labels": declared, "declared_by": "test"}
    answer = module("node_labels", options, *flags, kubeconfig=kubernetes.kubeconfig)
    assert (answer.code, answer.result["changed"]) == (0, changed), answer.output
    assert found(kubernetes, node) == (FOREIGN, [])
