"""What nodes say, and what follows from it: of INFO, of a Sentinel's replicas, of a slice."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from slipway_redis.handover import HandoverError, agreed, choose, promotable
from slipway_redis.links import live_of, online, voice_of
from slipway_redis.master_service import Target, wanted
from slipway_redis.model import Cluster, Copy, Live, Node, Phase, Role, State, Voice
from slipway_redis.sentinel import handing_over, learn

CLUSTER = Cluster(
    data=tuple(Node(name=name, ip=f"10.0.0.{number}", port=6379) for number, name in enumerate("abc")),
    sentinels=tuple(Node(name=name, ip=f"10.0.1.{number}", port=26379) for number, name in enumerate("xyz")),
    master_name="m",
    quorum=2,
)
MASTER = {
    "role": "master",
    "connected_slaves": 3,
    "slave0": {"ip": "10.0.0.1", "port": 6379, "state": "online", "offset": 90, "lag": 0},
    "slave1": {"ip": "10.0.0.2", "port": 6379, "state": "send_bulk", "offset": 0, "lag": 0},
    "slave_expires_tracked_keys": 0,
    "master_replid": "r",
    "master_repl_offset": 100,
    "loading": 0,
    "db0": {"keys": 3, "expires": 0},
    "db4": {"keys": 4, "expires": 1},
}
REPLICA = {
    "role": "slave",
    "master_host": "10.0.0.0",
    "master_port": 6379,
    "master_link_status": "up",
    "master_last_io_seconds_ago": 1,
    "master_sync_in_progress": 0,
    "slave_repl_offset": 99,
    "master_replid": "r",
    "master_replid2": "q",
    "slave_priority": 100,
    "master_repl_offset": 99,
    "loading": 1,
}


def test_live_of_a_master() -> None:
    assert live_of(MASTER, CLUSTER) == Live(role=Role.MASTER, replid="r", offset=100, dbsize=7, lasting=6, replicas=1)
    assert live_of({**MASTER, "min_slaves_good_slaves": 0}, CLUSTER).replicas == 0  # it has been silent for too long
    assert online(MASTER) == [("10.0.0.1", 6379)]


def test_live_of_a_replica() -> None:
    assert live_of(REPLICA, CLUSTER) == Live(
        role=Role.REPLICA,
        master="a",
        link_up=True,
        loading=True,
        lag=1.0,
        replid="r",
        replid2="q",
        offset=99,
        promotable=True,
    )
    assert live_of(REPLICA | {"master_host": "10.9.9.9"}, CLUSTER).master == "10.9.9.9:6379"


SAYS = {"ip": "10.0.0.0", "port": 6379, "flags": "master", "config-epoch": 4, "last-ok-ping-reply": 1500}
VOICES: dict[str, tuple[str, dict[str, Any], Voice]] = {
    "a master that is well": ("10.0.0.0", {}, Voice(master="a", epoch=4, heard=1.5)),
    "one that is down": (
        "10.0.0.0",
        {"flags": "master,s_down,o_down"},
        Voice(master="a", epoch=4, down=True, heard=1.5),
    ),
    "one that is replaced": (
        "10.0.0.0",
        {"flags": "master,s_down,o_down,failover_in_progress"},
        Voice(master="a", epoch=4, down=True, switching=True, heard=1.5),
    ),
    "one that has been replaced by another": (
        "10.0.0.1",
        {"flags": "master,s_down,o_down,failover_in_progress"},
        Voice(master="b", epoch=4, heard=math.inf),
    ),
    "a stranger": ("10.9.9.9", {"ip": "10.9.9.9"}, Voice(master="10.9.9.9:6379", epoch=4, heard=1.5)),
}


@pytest.mark.parametrize("row", VOICES)
def test_voice_of(row: str) -> None:
    ip, changed, expected = VOICES[row]
    assert voice_of((ip, 6379), SAYS | changed, CLUSTER) == expected


def replica(offset: int, *, up: bool = True, promotable: bool = True) -> Live:
    return Live(role=Role.REPLICA, master="a", link_up=up, promotable=promotable, offset=offset)


NONE = "no replica is in sync, and known to be"
CHOICES: dict[str, tuple[dict[str, Live | None], str, str, str]] = {  # heard: a letter for each Sentinel
    "the one with the most": ({"b": replica(1), "c": replica(2)}, "bbbccc", "", "c"),
    "of equals the last": ({"b": replica(1), "c": replica(1)}, "bbbccc", "", "c"),
    "the one that more Sentinels reach": ({"b": replica(1), "c": replica(2)}, "bbbcc", "", "b"),
    "the only one that a Sentinel reaches": ({"b": replica(1), "c": replica(2)}, "b", "", "b"),
    "the wanted one": ({"b": replica(1), "c": replica(2)}, "bccc", "b", "b"),
    "not one that is not in sync": ({"b": replica(1), "c": replica(2, up=False)}, "bccc", "", "b"),
    "not one that does not answer": ({"b": replica(1), "c": None}, "bccc", "", "b"),
    "none": ({"b": None, "c": replica(1, promotable=False)}, "bbcc", "", NONE),
    "none that a Sentinel reaches": (
        {"b": replica(1), "c": replica(2)},
        "",
        "",
        "no replica is in sync, and known to be",
    ),
    "not the wanted one": (
        {"b": replica(1), "c": None},
        "bbcc",
        "c",
        "c is no replica that is in sync, and known to be",
    ),
}


@pytest.mark.parametrize("row", CHOICES)
def test_choose(row: str) -> None:
    lives, heard, to, expected = CHOICES[row]
    if len(expected) == 1:
        assert choose(lives, Counter(heard), wanted=to) == expected
        return
    with pytest.raises(HandoverError, match=expected):
        choose(lives, Counter(heard), wanted=to)


ROW = {
    "ip": "10.0.0.1",
    "port": "6379",
    "flags": "slave",
    "slave-priority": "1",
    "master-link-status": "ok",
    "info-refresh": "500",
}
PROMOTABLE: dict[str, tuple[dict[str, Any], bool, bool]] = {
    "yes": ({}, True, True),
    "just asked": ({"info-refresh": "20"}, True, False),
    "just asked, which is no matter": ({"info-refresh": "20"}, False, True),
    "down": ({"flags": "slave,s_down"}, False, False),
    "away": ({"flags": "slave,disconnected"}, False, False),
    "not yet preferred": ({"slave-priority": "100"}, False, False),
    "no candidate": ({"slave-priority": "0"}, False, False),
    "not in sync": ({"master-link-status": "err"}, False, False),
    "another": ({"ip": "10.0.0.2"}, False, False),
}


@pytest.mark.parametrize("row", PROMOTABLE)
def test_promotable(row: str) -> None:
    changed, timely, expected = PROMOTABLE[row]
    assert promotable([ROW | changed], CLUSTER.named("b"), timely=timely) is expected


@pytest.mark.parametrize(
    ("answers", "expected"), [("bb", True), ("bba", True), ("b", False), ("baa", False), ("", False)]
)
def test_agreed(answers: str, expected: bool) -> None:
    voices = {name: Voice(master=master) for name, master in zip("xyz", answers, strict=False)}
    assert agreed({"x": None, **voices}, CLUSTER, "b") is expected


def copy(epoch: int, role: Role, *, runs: bool = True) -> Copy:
    state = State(epoch=epoch, life=0, role=role, replid="r", offset=1, dbsize=1, durable=True, at=0.0)
    return Copy(state=state, live=Live(role=role) if runs else None, phase=Phase.RUNNING)


LEARNT: dict[str, tuple[dict[str, Copy], dict[str, Voice], tuple[str, int] | None]] = {
    "nobody shows anything": ({}, {}, None),
    "others remember nothing either": ({}, {"y": Voice()}, None),
    "from another Sentinel": ({}, {"y": Voice(master="b", epoch=4)}, ("b", 4)),
    "from the one that knows the latest": (
        {},
        {"y": Voice(master="b", epoch=4), "z": Voice(master="c", epoch=5)},
        ("c", 5),
    ),
    "not of a stranger": ({}, {"y": Voice(master="10.9.9.9:6379", epoch=4)}, None),
    "from a master that runs": ({"a": copy(2, Role.MASTER), "b": copy(2, Role.REPLICA)}, {}, ("a", 2)),
    "not from a master that does not run": ({"a": copy(2, Role.MASTER, runs=False)}, {}, None),
    "not from a master that is behind": ({"a": copy(2, Role.MASTER), "b": copy(3, Role.REPLICA)}, {}, None),
    "not from a Sentinel that is behind": ({"b": copy(3, Role.REPLICA)}, {"y": Voice(master="a", epoch=2)}, None),
}


@pytest.mark.parametrize("row", LEARNT)
def test_learn(row: str) -> None:
    copies, voices, expected = LEARNT[row]
    assert learn(CLUSTER, copies, voices) == expected


@pytest.mark.parametrize(
    ("role", "phase", "expected"),
    [
        (Role.MASTER, Phase.STOPPING, True),
        (Role.MASTER, Phase.RUNNING, False),
        (Role.REPLICA, Phase.STOPPING, False),
    ],
)
def test_handing_over(role: Role, phase: Phase, expected: bool) -> None:
    assert handing_over([Copy(), copy(1, Role.REPLICA), replace(copy(1, role), phase=phase)]) is expected


TARGET = Target(pod="redis-1", ip="10.1.1.1", port=6379, epoch=5)
SLICE = wanted(None, TARGET, namespace="redis", service="redis-master")


def written(**changed: Any) -> dict[str, Any]:
    """A slice that an agent has written, as the server shows it."""
    found = wanted(None, replace(TARGET, **changed), namespace="redis", service="redis-master")
    assert found
    found["metadata"]["resourceVersion"] = "7"
    return found


SLICES: dict[str, tuple[dict[str, Any] | None, bool]] = {
    "there is none": (None, True),
    "it is so already": (written(), False),
    "of an earlier epoch": (written(epoch=4, pod="redis-0", ip="10.1.1.0"), True),
    "of a later epoch": (written(epoch=6, pod="redis-0", ip="10.1.1.0"), False),
    "the pod has another address": (written(ip="10.1.1.9"), True),
    "of nobody's epoch": (written() | {"metadata": {"resourceVersion": "7"}}, True),
    "without endpoints": (written() | {"endpoints": None}, True),
}


@pytest.mark.parametrize("row", SLICES)
def test_wanted(row: str) -> None:
    found, expected = SLICES[row]
    new = wanted(found, TARGET, namespace="redis", service="redis-master")
    assert (new is not None) is expected
    if new and found:
        assert new["metadata"]["resourceVersion"] == "7"
        assert new["metadata"]["annotations"] == {"slipway.dev/epoch": "5"}


def test_a_slice() -> None:
    assert SLICE
    assert SLICE["metadata"]["labels"]["kubernetes.io/service-name"] == "redis-master"
    assert SLICE["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "slipway"
    assert SLICE["addressType"] == "IPv4"
    six = wanted(None, Target(pod="a", ip="fd00::1", port=1, epoch=0), namespace="redis", service="s")
    assert six
    assert six["addressType"] == "IPv6"
