# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of clusters and the Deployments that they are."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.cluster import (
    Cluster,
    cluster_problems,
    deployment,
    duplicates,
    label_problems,
    reference,
)


def cluster(**fields: t.Any) -> Cluster:
    return Cluster(**{"name": "demo", "namespace": "n", "image": "pause:1", **fields})


def test_smallest_deployment_names_only_what_was_said() -> None:
    identity = {"app.kubernetes.io/instance": "demo", "app.kubernetes.io/managed-by": "slipway"}
    labels = {"app.kubernetes.io/name": "demo", **identity}
    assert deployment(cluster()) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "demo", "namespace": "n", "labels": labels},
        "spec": {
            "selector": {"matchLabels": identity},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "demo", "image": "pause:1"}]},
            },
        },
    }


@pytest.mark.parametrize(
    ("fields", "path", "expected"),
    [
        ({"replicas": 0}, ("replicas",), 0),
        ({"node_selector": {"a": "b"}}, ("template", "spec", "nodeSelector"), {"a": "b"}),
        ({"labels": {"tier": "web"}}, ("template", "metadata", "labels", "tier"), "web"),
        ({"image_pull_policy": "Never"}, ("template", "spec", "containers", 0, "imagePullPolicy"), "Never"),
        ({"command": ["sh"]}, ("template", "spec", "containers", 0, "command"), ["sh"]),
        ({"args": ["-c"]}, ("template", "spec", "containers", 0, "args"), ["-c"]),
        ({"env": {"A": "1"}}, ("template", "spec", "containers", 0, "env"), [{"name": "A", "value": "1"}]),
        (
            {"resources": {"requests": {"cpu": "1m"}, "limits": {}}},
            ("template", "spec", "containers", 0, "resources"),
            {"requests": {"cpu": "1m"}},
        ),
    ],
)
def test_field(fields: dict[str, t.Any], path: tuple[t.Any, ...], expected: t.Any) -> None:
    found: t.Any = deployment(cluster(**fields))["spec"]
    for step in path:
        found = found[step]
    assert found == expected


def test_selector_stays_when_labels_change() -> None:
    selectors = [deployment(cluster(labels=labels))["spec"]["selector"] for labels in ({}, {"a": "b"})]
    assert selectors[0] == selectors[1]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "Demo"}, "name 'Demo' is no DNS label"),
        ({"name": "a" * 64}, "is no DNS label"),
        ({"namespace": "a.b"}, "namespace 'a.b' is no DNS label"),
        ({"image": ""}, "image is missing"),
        ({"image": "a b"}, "image 'a b' is no image reference"),
        ({"replicas": -1}, "replicas is -1, which is less than 0"),
        ({"env": {"A=B": "1"}}, "env name 'A=B'"),
        ({"labels": {"a b": "1"}}, "label key 'a b'"),
        ({"labels": {"app.kubernetes.io/instance": "x"}}, "is set by Slipway itself"),
        ({"node_selector": {"a": "b c"}}, "node_selector a: value 'b c'"),
        ({"resources": {"limits": {"memory": "64 MB"}}}, "resources limits memory: '64 MB' is no quantity"),
    ],
)
def test_problem(fields: dict[str, t.Any], problem: str) -> None:
    [found] = cluster_problems(cluster(**fields))
    assert problem in found


@pytest.mark.parametrize("amount", ["1", "0.5", "500m", "64Mi", "1e3", "2G"])
def test_quantity(amount: str) -> None:
    assert cluster_problems(cluster(resources={"limits": {"memory": amount}})) == []


def test_all_problems_are_found() -> None:
    assert len(cluster_problems(cluster(name="A", image="", replicas=-1))) == 3


@pytest.mark.parametrize(
    ("labels", "count"),
    [({"slipway.dev/clusters": "allowed", "a": "", "A_b.c": "1"}, 0), ({"a/b/c": "", "/x": "", "a": "-"}, 3)],
)
def test_label_syntax(labels: dict[str, str], count: int) -> None:
    assert len(label_problems(labels)) == count


def test_duplicates() -> None:
    assert duplicates([("n", "a"), ("m", "a"), ("n", "a")]) == ["cluster 'a' of namespace n is given 2 times"]


def test_reference_and_deployment_have_the_same_identity() -> None:
    assert reference("demo", "n")["metadata"] == deployment(cluster())["metadata"]
