# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible.inventory.data import InventoryData

from ansible_collections.slipway.cloud.plugins.inventory.vms import add_localhost, add_nodes
from ansible_collections.slipway.cloud.plugins.module_utils._vm_set import layout


def inventory(name: str, workers: int | None = None) -> InventoryData:
    data = InventoryData()
    add_localhost(data)
    add_nodes(data, layout(name, workers), f"/cache/vms/{name}/ssh")
    data.reconcile_inventory()
    return data


def test_groups() -> None:
    groups = inventory("t").get_groups_dict()
    assert groups["control_plane"] == ["t-node1"]
    assert groups["workers"] == ["t-node2", "t-node3"]
    assert groups["kubeadm"] == ["t-node1", "t-node2", "t-node3"]
    assert groups["controller"] == groups["builder"] == ["localhost"]


def test_a_set_without_workers_has_the_group_all_the_same() -> None:
    assert inventory("k").get_groups_dict()["workers"] == []


def test_how_a_node_is_reached() -> None:
    variables = inventory("main").hosts["node2"].get_vars()
    assert variables["ansible_host"] == "10.77.0.12"
    assert variables["ansible_ssh_private_key_file"] == "/cache/vms/main/ssh/id_ed25519"
    assert (
        "UserKnownHostsFile=/cache/vms/main/ssh/known_hosts -o StrictHostKeyChecking=yes"
        in (variables["ansible_ssh_common_args"])
    )


def test_every_host_knows_the_set() -> None:
    assert inventory("x").groups["all"].get_vars()["vm_layout"]["lb_range"] == "10.77.24.200-10.77.24.239"
