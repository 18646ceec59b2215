"""A bare VM, before anything is changed: what would be done there, and everything that is wrong, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import Run, playbook
from tests.support.kubernetes import Kubernetes, succeed

if TYPE_CHECKING:
    from collections.abc import Iterator

NODE, MISSING = "x-node1", "x-node2"
# A user without sudo, a foreign program on kubelet's port, a distribution that is too old and a resolver on loopback.
SPOIL = """
useradd --create-home someone
cp --recursive --parents .ssh/authorized_keys ~someone && chown --recursive someone: ~someone
setsid python3 -m http.server 10250 >/dev/null 2>&1 &
echo 'ID=ubuntu VERSION_ID="20.04"' | tr ' ' '\\n' >/usr/lib/os-release
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
until ss --listening --tcp --numeric | grep --quiet :10250; do :; done
"""
WRONG = [
    (NODE, "error", "root", "Missing sudo password"),
    (NODE, "error", "system", "ubuntu 20.04"),
    (NODE, "error", "ports", "10250 is taken by a program"),
    (NODE, "error", "resolver", "only 127.0.0.1"),
    (MISSING, "error", "connection", "No route to host"),
]


@pytest.fixture(scope="module")
def bare() -> Iterator[Kubernetes]:
    """A set with one VM that has just been made; the other one is only in the inventory."""
    machines = Kubernetes("x")
    machines.machines(NODE, vm_workers=1)
    succeed(machines.on_node(NODE, "touch", "/root/made"))
    yield machines
    machines.machines(vm_workers=1, vm_state="absent")


def site(machines: Kubernetes, *flags: str, **variables: Any) -> Run:
    return playbook("site", {"vm_set": machines.vm_set, **variables}, *flags)


def written(machines: Kubernetes) -> list[str]:
    """The files that are newer than the VM."""
    places = ("/etc", "/opt", "/usr", "/var/cache", "/var/lib")
    command = ("find", *places, "-xdev", "-newer", "/root/made", "-type", "f")
    return succeed(machines.on_node(NODE, *command)).output.split()


def test_check_mode_says_what_would_be_done(bare: Kubernetes) -> None:
    answer = succeed(site(bare, "--check", vm_workers=0))
    assert f"changed: [{NODE}]" in answer.output
    assert "kubeadm would make this the control plane." in answer.output
    assert written(bare) == []
    assert not bare.kubeconfig.exists()


def test_one_table_of_all_that_is_wrong(bare: Kubernetes) -> None:
    succeed(bare.on_node(NODE, "sh", "-c", SPOIL))
    spoiled = written(bare)
    answer = site(bare, vm_workers=1, ansible_user="someone", ansible_control_path="none")
    assert answer.code != 0
    rows = [row for row in map(str.split, answer.output.splitlines()) if row[1:2] == ["error"]]
    assert len(rows) == len(WRONG)
    for row, expected in zip(sorted(rows), sorted(WRONG), strict=True):
        assert tuple(row[:3]) == expected[:3]
        assert expected[3] in " ".join(row)
    assert "Nothing was changed." in answer.output
    assert answer.changed == []
    assert written(bare) == spoiled
