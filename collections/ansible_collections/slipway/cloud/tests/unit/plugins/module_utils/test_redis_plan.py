# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of whether Redis fits what a Kubernetes has."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._redis_plan import (
    DEFAULT_CLASS,
    Found,
    SetWanted,
    Spread,
    addresses,
    is_virgin,
    leaving,
    problems_of,
    refusing_address,
    spread,
    warnings,
)

Object = dict[str, t.Any]
WANTED = [SetWanted(name="redis", replicas=3, size="1Gi"), SetWanted(name="redis-sentinel", replicas=3, size="64Mi")]


def stateful(
    name: str, size: str = "1Gi", *, ours: bool = True, storage_class: str = "", required: bool = False
) -> Object:
    term: Object = {"requiredDuringSchedulingIgnoredDuringExecution": []} if required else {}
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "resources": {"requests": {"storage": size}},
            **({"storageClassName": storage_class} if storage_class else {}),
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": name,
            "namespace": "redis",
            "labels": {"app.kubernetes.io/managed-by": "slipway"} if ours else {},
        },
        "spec": {
            "replicas": 3,
            "template": {"spec": {"affinity": {"podAntiAffinity": term}}},
            "volumeClaimTemplates": [claim],
        },
    }


def named(name: str, **more: t.Any) -> Object:
    return {"metadata": {"name": name}, **more}


def node(name: str, *taints: tuple[str, str], **labels: str) -> Object:
    given = [{"key": key, "effect": effect} for key, effect in taints]
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": given} if given else {}}


def found(**more: t.Any) -> Found:
    default = {"metadata": {"name": "fast", "annotations": {DEFAULT_CLASS: "true"}}}
    given: dict[str, t.Any] = {"sets": {}, "services": [], "claims": [], "storage_classes": [default], "nodes": None}
    return Found(**{**given, **more})


@pytest.mark.parametrize(
    ("more", "storage_class", "said"),
    [
        ({}, "", ""),
        ({}, "fast", ""),
        ({}, "slow", "there is no StorageClass slow: name one of fast"),
        ({"storage_classes": [named("fast")]}, "", "no default StorageClass: name one by redis_storage_class (fast)"),
        ({"storage_classes": []}, "", "addons_storage: auto"),
        ({"storage_classes": None}, "", ""),
        ({"sets": {"redis": stateful("redis")}, "storage_classes": []}, "", ""),
        ({"sets": {"redis": stateful("redis", "1024Mi")}}, "", ""),
        ({"sets": {"redis": stateful("redis", "2Gi")}}, "", "Give redis_size: 2Gi"),
        ({"sets": {"redis-sentinel": stateful("redis-sentinel", "1Mi")}}, "", "Give redis_sentinel_size: 1Mi"),
        ({"sets": {"redis": stateful("redis")}}, "fast", "Give redis_storage_class: ''"),
        ({"sets": {"redis": stateful("redis", storage_class="fast")}}, "", "Give redis_storage_class: fast"),
        ({"sets": {"redis": stateful("redis", ours=False)}}, "", "StatefulSet redis in namespace redis exists"),
    ],
)
def test_problems(more: Object, storage_class: str, said: str) -> None:
    problems = problems_of(found(**more), WANTED, storage_class)
    assert said in " ".join(problems)
    assert len(problems) == (1 if said else 0)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, True),
        ({"sets": {"redis": None, "redis-sentinel": stateful("redis-sentinel")}}, False),
        ({"claims": [named("data-redis-1")]}, False),
        ({"claims": [named("data-other-1")]}, True),
    ],
)
def test_virgin(more: Object, expected: bool) -> None:
    assert is_virgin(found(**more)) is expected


THREE = [node("a"), node("b"), node("c")]
CONTROL = ("node-role.kubernetes.io/control-plane", "NoSchedule")


@pytest.mark.parametrize(
    ("nodes", "choice", "sets", "expected", "said"),
    [
        (THREE, "auto", {}, "required", ""),
        (THREE, "preferred", {}, "preferred", ""),
        (THREE[:2], "auto", {}, "preferred", "share 2 nodes"),
        (THREE[:1], "auto", {}, "preferred", "NOT highly available"),
        ([*THREE[:2], node("c", CONTROL)], "auto", {}, "preferred", "share 2 nodes"),
        ([*THREE[:2], node("c", ("node.kubernetes.io/unschedulable", "NoSchedule"))], "auto", {}, "required", ""),
        ([*THREE[:2], node("c", ("node.kubernetes.io/unreachable", "NoExecute"))], "auto", {}, "required", ""),
        (
            [*THREE[:2], node("c", ("node.kubernetes.io/out-of-service", "NoExecute"))],
            "auto",
            {},
            "preferred",
            "share 2",
        ),
        ([*THREE[:2], node("c", ("slow", "PreferNoSchedule"))], "auto", {}, "required", ""),
        (None, "auto", {}, "preferred", "may not list nodes"),
        (None, "auto", {"redis": stateful("redis", required=True)}, "required", "may not list nodes"),
    ],
)
def test_spread(nodes: list[Object] | None, choice: Spread, sets: Object, expected: str, said: str) -> None:
    there = found(nodes=nodes, sets=sets)
    assert spread(there, choice, WANTED, {}) == expected
    told = warnings(there, WANTED, {})
    assert said in " ".join(told)
    assert len(told) == (1 if said else 0)


def test_nodes_that_are_not_selected_do_not_count() -> None:
    there = found(nodes=[node("a", disk="ssd"), node("b", disk="ssd"), node("c")])
    assert spread(there, "auto", WANTED, {"disk": "ssd"}) == "preferred"


def test_one_data_pod_is_told_of() -> None:
    one = [SetWanted(name="redis", replicas=1, size="1Gi"), SetWanted(name="redis-sentinel", replicas=1, size="1Gi")]
    assert "one data pod" in warnings(found(nodes=THREE), one, {})[0]


def test_services() -> None:
    services = [
        *(named(f"redis-{number}", spec={"clusterIP": f"10.0.0.{number}"}) for number in range(5)),
        named("redis-sentinel-3", spec={"clusterIP": "10.0.1.3"}),
        named("redis", spec={"clusterIP": "None"}),
        named("redis-master", spec={"clusterIP": "10.0.2.1"}),
        named("other-7", spec={"clusterIP": "10.0.2.2"}),
    ]
    assert leaving(found(services=services), WANTED) == ["redis-3", "redis-4", "redis-sentinel-3"]
    given = addresses(found(services=services))
    assert given["redis-4"] == "10.0.0.4"
    assert "redis" not in given


def of_age(name: str, created: str, *addresses: tuple[str, str]) -> Object:
    given = [{"type": kind, "address": address} for kind, address in addresses]
    return {"metadata": {"name": name, "creationTimestamp": created}, "spec": {}, "status": {"addresses": given}}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (None, ""),
        ([], ""),
        ([of_age("a", "2026-01-01T00:00:00Z")], ""),
        (
            [
                of_age("a", "2026-01-02T00:00:00Z", ("InternalIP", "10.1.0.1")),
                of_age("b", "2026-01-01T00:00:00Z", ("Hostname", "b"), ("InternalIP", "10.1.0.2")),
            ],
            "10.1.0.2",
        ),
    ],
)
def test_the_oldest_node_refuses(nodes: list[Object] | None, expected: str) -> None:
    assert refusing_address(found(nodes=nodes)) == expected
