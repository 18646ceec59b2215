"""`make up`, `make remove` and `make down`, with a third set of VMs: killed, run twice, and gone without a trace."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.ansible import Run, playbook, run
from tests.support.kubernetes import Kubernetes, succeed
from tests.support.machine import Machine
from tests.support.make import Make
from tests.support.registry_beyond import registry_beyond
from tests.support.snapshot import differences
from tests.support.traces import left_behind, traces

if TYPE_CHECKING:
    from collections.abc import Iterator

VM_SET, NEIGHBOURS = "k", "y"
OTHER_SETS = rf"slipway-(?!{VM_SET}\b)|(?<!{VM_SET}-)node\d"


def other_machines() -> set[str]:
    """The running VMs of other sets, each by its process and the time of its start."""
    listing = run(["ps", "-C", "systemd-nspawn", "-o", "pid=,lstart=,args="], timeout=10).output
    return {line for line in listing.splitlines() if f"{VM_SET}-node" not in line}


@dataclass(frozen=True)
class Story:
    """A VM beside it, what was there before, and the `make up` that followed a killed one."""

    make: Make
    neighbour: str
    before: dict[str, set[str]]
    up: Run


@pytest.fixture(scope="module")
def neighbour() -> Iterator[str]:
    """A running VM of another set."""
    machines = Kubernetes(NEIGHBOURS)
    machines.machines(vm_workers=0)
    yield machines.control_plane
    machines.machines(vm_workers=0, vm_state="absent")


@pytest.fixture(scope="module")
def story(seed: int, neighbour: str) -> Iterator[Story]:
    """Start from nothing, kill one run of `make up` at a random moment, then run it to its end."""
    make = Make(VM_SET)
    succeed(make.down())
    before = traces(ignore=OTHER_SETS)
    print(make.up_killed_at(random.Random(seed).random()))
    try:
        yield Story(make, neighbour, before, make.up())
    finally:
        make.down()


def test_up_after_a_killed_one(story: Story) -> None:
    succeed(story.up)


def test_up_again_changes_nothing(story: Story) -> None:
    again = succeed(story.make.up())
    assert again.changed == []  # how long it takes is measured in tests/live


def test_way_out_of_the_bridge(story: Story, tmp_path: Path) -> None:
    succeed(story.up)
    kubernetes = Kubernetes(VM_SET)
    [node] = kubernetes.addresses
    nameservers = [line for line in Path("/etc/resolv.conf").read_text().splitlines() if line.startswith("nameserver")]
    with registry_beyond(tmp_path) as image:
        pull = ("ctr", "--namespace=test", "images", "pull", "--plain-http", image)
        ask = ("getent", "hosts", "example.org")
        for refused in (ask, pull):
            answer = kubernetes.on_node(node, *refused)
            assert answer.code != 0
            assert answer.seconds < 3
        kubernetes.machines(vm_internet=True)
        succeed(kubernetes.on_node(node, *pull))
        assert kubernetes.on_node(node, "cat", "/etc/resolv.conf").output.splitlines() == nameservers


@pytest.fixture(scope="module")
def node(story: Story) -> Machine:
    """The one node of the set, on which the site is installed."""
    succeed(story.up)
    return Machine(Kubernetes(VM_SET))


def test_remove_refuses_without_a_yes() -> None:
    answer = playbook("remove", {"vm_set": VM_SET})
    assert answer.code != 0
    assert answer.changed == []
    assert "Nothing was removed: answer yes, or give -e confirm=yes" in answer.output


def test_remove_leaves_a_machine_as_it_was(node: Machine) -> None:
    node.remove()
    assert node.remove().changed == []
    removed = node.look()
    node.make_anew(vm_internet=True)
    assert differences(node.look(), removed) == {}


def test_remove_after_a_killed_up(story: Story, node: Machine, seed: int) -> None:
    node.make_anew()
    before = node.look()
    print(story.make.up_killed_at(random.Random(seed).random()))
    node.kubernetes.machines()
    node.remove()
    assert differences(before, node.look()) == {}


def test_remove_takes_packages_along(node: Machine) -> None:
    node.make_anew(vm_internet=True)
    node.run("apt-get", "purge", "--yes", "--autoremove", "conntrack", "python3-cryptography", "socat")
    before = node.look()
    node.install("host")
    assert set(differences(before, node.look())) >= {"files", "packages", "units"}
    node.remove()
    assert differences(before, node.look()) == {}


def test_down_leaves_nothing_and_others_alone(story: Story) -> None:
    others = other_machines()
    assert any(story.neighbour in line for line in others)
    succeed(story.make.down())
    assert story.make.processes.alive() == {}
    assert left_behind(story.before, traces(ignore=OTHER_SETS)) == {}
    assert others <= other_machines()
