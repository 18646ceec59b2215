# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._vm_set import Node, VmSetError, layout


@pytest.mark.parametrize(
    ("name", "first", "count", "bridge", "subnet", "kubeconfig", "context"),
    [
        (
            "main",
            Node("node1", "10.77.0.11", "control_plane"),
            3,
            "slipway-main",
            "10.77.0.0/24",
            "kubeconfig",
            "slipway",
        ),
        (
            "t",
            Node("t-node1", "10.77.20.11", "control_plane"),
            3,
            "slipway-t",
            "10.77.20.0/24",
            "kubeconfig-t",
            "slipway-t",
        ),
        (
            "k",
            Node("k-node1", "10.77.11.11", "control_plane"),
            1,
            "slipway-k",
            "10.77.11.0/24",
            "kubeconfig-k",
            "slipway-k",
        ),
    ],
)
def test_everything_follows_from_the_name(
    name: str, first: Node, count: int, bridge: str, subnet: str, kubeconfig: str, context: str
) -> None:
    vm_set = layout(name)
    assert (vm_set.nodes[0], len(vm_set.nodes)) == (first, count)
    assert (vm_set.bridge, vm_set.subnet, vm_set.kubeconfig, vm_set.context) == (bridge, subnet, kubeconfig, context)


def test_addresses_of_a_set() -> None:
    vm_set = layout("b", 2)
    assert (vm_set.gateway, vm_set.lb_range) == ("10.77.2.1", "10.77.2.200-10.77.2.239")
    assert vm_set.nodes[1:] == (Node("b-node2", "10.77.2.12", "workers"), Node("b-node3", "10.77.2.13", "workers"))


def test_no_two_sets_share_a_name_or_an_address() -> None:
    sets = [layout(name) for name in ("main", *"abcdefghijklmnopqrstuvwxyz")]
    for field in ("prefix", "bridge", "subnet", "kubeconfig", "context"):
        assert len({getattr(vm_set, field) for vm_set in sets}) == len(sets)


@pytest.mark.parametrize(("workers", "count"), [(None, 3), (0, 1), ("4", 5), (9, 10)])
def test_workers(workers: int | str | None, count: int) -> None:
    assert len(layout("x", workers).nodes) == count


@pytest.mark.parametrize(
    ("name", "workers", "control_planes", "message"),
    [
        pytest.param("Main", None, 1, "vm_set is 'Main'", id="case"),
        pytest.param("tt", None, 1, "vm_set is 'tt'", id="two letters"),
        pytest.param("", None, 1, "vm_set is ''", id="empty"),
        pytest.param("main", "two", 1, "vm_workers is 'two'", id="no number"),
        pytest.param("main", -1, 1, "vm_workers is -1", id="negative"),
        pytest.param("main", 10, 1, "vm_workers is 10: a set has 0 to 9 workers", id="too many"),
        pytest.param("main", None, 3, "only one control plane is supported", id="control planes"),
    ],
)
def test_refused(name: str, workers: int | str | None, control_planes: int, message: str) -> None:
    with pytest.raises(VmSetError, match=message):
        layout(name, workers, control_planes=control_planes)
