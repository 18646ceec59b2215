# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import ipaddress

from ansible_collections.slipway.cloud.plugins.module_utils._vm import File, Machine, data_name, nspawn_command

MACHINE = Machine(
    name="x-node2",
    address=ipaddress.IPv4Interface("10.77.24.12/24"),
    gateway="10.77.24.1",
    resolv_conf="nameserver 10.77.24.1\n",
    authorized_key="ssh-ed25519 A\n",
    host_key="PRIVATE\n",
)


def test_the_hosts_of_a_set_are_known_before_they_are_made() -> None:
    lines = MACHINE.hosts().splitlines()
    assert lines[2:4] == ["10.77.24.11 x-node1", "10.77.24.12 x-node2"]
    assert lines[-1] == "10.77.24.20 x-node10"


def test_what_makes_a_machine_this_one() -> None:
    files = MACHINE.files()
    assert files["/etc/hostname"] == File("x-node2\n")
    assert "Address=10.77.24.12/24\nGateway=10.77.24.1\n" in files["/etc/systemd/network/10-host0.network"].content
    assert files["/etc/resolv.conf"].content == MACHINE.resolv_conf
    assert files["/etc/systemd/system/fstrim.timer"] == File(target="/dev/null")


def test_secrets_are_for_root_alone() -> None:
    files = MACHINE.files()
    assert {path: file.mode for path, file in files.items() if file.mode == 0o600} == {
        "/etc/ssh/ssh_host_ed25519_key": 0o600,
        "/root/.ssh/authorized_keys": 0o600,
    }


def test_a_machine_id_is_the_names_own() -> None:
    machine_id = MACHINE.files()["/etc/machine-id"].content
    assert len(machine_id.strip()) == 32
    assert machine_id == MACHINE.files()["/etc/machine-id"].content
    assert machine_id != dataclasses.replace(MACHINE, name="x-node3").files()["/etc/machine-id"].content


def test_data_name() -> None:
    assert data_name("/var/lib/etcd") == "var-lib-etcd"


def test_the_command() -> None:
    command = nspawn_command(
        nspawn="systemd-nspawn",
        name="node1",
        directory="/vms/node1/root",
        bridge="slipway-main",
        binds={"/var/lib/etcd": "/vms/node1/data/var-lib-etcd"},
        read_only={"/opt/bundle": "/cache/bundle"},
    )
    assert command[0] == "systemd-nspawn"
    assert command[-2:] == ["--bind=/vms/node1/data/var-lib-etcd:/var/lib/etcd", "--bind-ro=/cache/bundle:/opt/bundle"]
    assert {"--machine=node1", "--directory=/vms/node1/root", "--network-bridge=slipway-main"} <= set(command)
