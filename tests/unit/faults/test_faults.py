"""What is done to nodes, and the pods of the writers."""

from __future__ import annotations

import json

import pytest

from tests.faults import pods
from tests.faults.faults import FAULTS, rules, script, undone
from tests.faults.report import SAFE
from tests.faults.writer import Client, Plan

TEMPLATE = {
    "containers": [{"image": "slipway.local/redis:0123456789ab", "imagePullPolicy": "IfNotPresent"}],
    "imagePullSecrets": [{"name": "slipway-registry"}],
}


IN = """
iptables --table mangle --wait --new-chain SLIPWAY-FAULT-PREROUTING
iptables --table mangle --wait --append SLIPWAY-FAULT-PREROUTING --source 10.0.0.2/32,10.1.0.0/24 --jump DROP
iptables --table mangle --wait --insert PREROUTING --jump SLIPWAY-FAULT-PREROUTING
"""
OUT_WITH_LOSS = """
iptables --table mangle --wait --new-chain SLIPWAY-FAULT-POSTROUTING
iptables --table mangle --wait --append SLIPWAY-FAULT-POSTROUTING --destination 10.0.0.2/32,10.1.0.0/24 \
-m statistic --mode random --probability 0.3 --jump DROP
iptables --table mangle --wait --insert POSTROUTING --jump SLIPWAY-FAULT-POSTROUTING
"""


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"incoming": True, "outgoing": False}, IN),
        ({"incoming": False, "outgoing": True, "loss": "0.3"}, OUT_WITH_LOSS),
    ],
)
def test_rules(how: dict[str, bool | str], expected: str) -> None:
    found = script(rules(["10.0.0.2/32", "10.1.0.0/24"], **how), "\n")  # type: ignore[arg-type]
    assert found == expected.replace("\\\n", "").strip()


def test_every_rule_is_undone() -> None:
    made = [rule for rule in rules(["10.0.0.2/32"], incoming=True, outgoing=True) if rule[3] != "--append"]
    opposite = {"--new-chain": "--delete-chain", "--insert": "--delete"}
    wanted = sorted([opposite[rule[3]], *rule[4:]] for rule in made)
    assert sorted(rule[3:] for rule in undone() if rule[3] != "--flush") == wanted


@pytest.mark.parametrize("name", FAULTS)
def test_table(name: str) -> None:
    fault = FAULTS[name]
    known = {*SAFE, "unsure", "early"}
    assert {*fault.bounds, *fault.loses} <= known
    assert fault.runs >= 1
    assert fault.master_on in ("", "worker", "announcer")
    assert not (fault.pinned and fault.outside)


def test_core_faults_run_often_enough() -> None:
    assert {name for name in FAULTS if FAULTS[name].runs == 7} == {"power", "power-address"}
    assert len([name for name in FAULTS if name.startswith("cold-")]) == 6
    assert {name for name in FAULTS if FAULTS[name].loses} == {
        "control-early", "control-hand-over", "control-cold",
    }  # fmt: skip


def test_pods() -> None:
    plans = {
        "t-node1": Plan("abc", "redis-redis", ("10.0.0.1:26379",), pods.usual("10.0.0.2:6379"), listen=True),
        "t-node2": Plan("abc", "redis-redis", ("10.0.0.1:26379",), (pods.pinned("redis-1", "10.0.0.3:6379"),)),
    }
    config, *made = pods.objects("redis", TEMPLATE, plans, "program")
    assert [pod["spec"]["nodeName"] for pod in made] == list(plans)
    assert [pod["metadata"]["name"] for pod in made] == [pods.pod_name(node) for node in plans]
    everything = Plan.of(json.loads(config["data"]["all.json"]))
    assert [each.name for each in everything.clients] == ["aware", "plain", "unsure", "early", "at-redis-1"]
    assert {node: Plan.of(json.loads(config["data"][f"{node}.json"])) for node in plans} == plans


def test_the_main_client_can_be_acknowledged_often_enough() -> None:
    aware = next(each for each in pods.usual("10.0.0.2:6379") if each.name == "aware")
    assert (aware.writers >= 8, aware.rate >= 1.1 * 200, aware.wait) == (True, True, 1)
    assert isinstance(pods.balanced("10.0.0.4:80", alone=True), Client)
