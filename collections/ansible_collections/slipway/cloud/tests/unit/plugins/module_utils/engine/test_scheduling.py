# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of which node lacks what."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.scheduling import (
    candidates,
    missing_labels,
    quantity,
    requests,
    shortfalls,
)

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


def node(name: str = "node1", *, labels: Object | None = None, ready: str = "True", **spec: t.Any) -> Object:
    room = {"cpu": "2", "memory": "4Gi", "pods": "110"}
    conditions = [{"type": "Ready", "status": ready}]
    meta = {"name": name, "labels": labels or {}}
    return {"metadata": meta, "spec": spec, "status": {"allocatable": room, "conditions": conditions}}


def pod(**spec: t.Any) -> Object:
    return {"spec": {"containers": [], **spec}}


def asking(**amounts: str) -> Object:
    return {"resources": {"requests": amounts}}


def affinity(*expressions: Object, **more: t.Any) -> Object:
    terms = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}, *more.get("others", [])]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def expression(key: str, operator: str, *values: str) -> Object:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", 0.5), ("2", 2), ("1k", 1000), ("64Mi", 64 * 1024**2), ("1.5Gi", 1.5 * 1024**3), ("1e3", 1000), ("x", 0)],
)
def test_quantity(text: str, number: float) -> None:
    assert quantity(text) == number


def test_requests_are_summed_but_those_of_init_containers() -> None:
    obj = pod(
        containers=[asking(cpu="1", memory="1Gi"), asking(cpu="500m")],
        initContainers=[asking(cpu="2"), asking(memory="512Mi")],
    )
    assert requests(obj) == {"cpu": 2, "memory": 1024**3}


@pytest.mark.parametrize(
    ("obj", "missing"),
    [
        (pod(nodeSelector={"disk": "ssd"}), []),
        (pod(nodeSelector={"disk": "tape", "zone": "a"}), ["disk=tape", "zone=a"]),
        (pod(**affinity(expression("zone", "Exists"))), ["zone"]),
        (pod(**affinity(expression("disk", "In", "tape"))), ["disk=tape"]),
        (pod(**affinity(expression("disk", "In", "tape", "drum"))), []),
        (pod(**affinity(expression("zone", "Exists"), others=[{}])), []),
    ],
)
def test_label_that_no_node_has(obj: Object, missing: list[str]) -> None:
    assert missing_labels(obj, [node(labels={"disk": "ssd"}), node(labels={"disk": "hdd"})]) == missing


@pytest.mark.parametrize(
    ("obj", "where", "lacks"),
    [
        (pod(), node(unschedulable=True), "is cordoned"),
        (pod(), node(ready="Unknown"), "is not ready"),
        (pod(), node(taints=[TAINT]), "has taint dedicated=db:NoSchedule"),
        (pod(), node(taints=[{**TAINT, "effect": "PreferNoSchedule"}]), None),
        (pod(tolerations=[{"key": "dedicated", "operator": "Exists"}]), node(taints=[TAINT]), None),
        (pod(tolerations=[{"key": "dedicated", "value": "db"}]), node(taints=[TAINT]), None),
        (
            pod(tolerations=[{"key": "dedicated", "value": "web"}]),
            node(taints=[TAINT]),
            "has taint dedicated=db:NoSchedule",
        ),
        (pod(tolerations=[{"operator": "Exists"}]), node(taints=[TAINT]), None),
        (pod(nodeSelector={"disk": "ssd"}), node(), "lacks label disk=ssd"),
        (
            pod(**affinity(expression("disk", "NotIn", "hdd"))),
            node(labels={"disk": "hdd"}),
            "does not match the node affinity",
        ),
        (pod(**affinity(expression("size", "Gt", "5"))), node(labels={"size": "7"}), None),
        (pod(containers=[asking(cpu="4")]), node(), "lacks cpu: 4 wanted, 2 in all"),
        (pod(containers=[asking(memory="3Gi")]), node(), "lacks memory: 3.0Gi wanted, 2.0Gi of 4.0Gi free"),
        (pod(containers=[asking(memory="1Gi")]), node(), None),
    ],
)
def test_what_a_node_lacks(obj: Object, where: Object, lacks: str | None) -> None:
    used = {"node1": {"memory": 2.0 * 1024**3, "pods": 5.0}}
    assert shortfalls(obj, [where], used) == ([f"node node1: {lacks}"] if lacks else [])


def test_nodes_that_lack_the_same_are_told_together() -> None:
    nodes = [node(f"node{number}", unschedulable=True) for number in range(1, 6)]
    assert shortfalls(pod(), nodes, {}) == ["nodes node1, node2, node3 and 2 more: is cordoned"]


def test_candidates_are_those_that_are_merely_full() -> None:
    nodes = [node("small"), node("tainted", taints=[TAINT])]
    assert candidates(pod(containers=[asking(cpu="1")]), nodes) == ["small"]
