# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._vm_network import (
    hardware_address,
    overlapping,
    own_rules,
    resolvers,
    rules,
)

BRIDGE, SUBNET = "slipway-x", "10.77.24.0/24"


@pytest.mark.parametrize(
    ("internet", "targets"),
    [(False, ["ACCEPT", "REJECT"]), (True, ["ACCEPT", "ACCEPT", "ACCEPT", "MASQUERADE"])],
)
def test_rules(internet: bool, targets: list[str]) -> None:
    found = rules(BRIDGE, SUBNET, internet=internet)
    assert [arguments[arguments.index("-j") + 1] for *_place, arguments in found] == targets
    assert all(arguments[arguments.index("--comment") :][:2] == ("--comment", BRIDGE) for *_place, arguments in found)


def test_own_rules_are_those_with_the_bridges_name() -> None:
    saved = """\
-P FORWARD DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -i slipway-x -o slipway-x -m comment --comment slipway-x -j ACCEPT
-A FORWARD -i slipway-xy -m comment --comment slipway-xy -j ACCEPT
-A FORWARD -i slipway-x -m comment --comment "not slipway-x" -j DROP
"""
    assert own_rules(saved, BRIDGE) == [
        ("FORWARD", "-i", BRIDGE, "-o", BRIDGE, "-m", "comment", "--comment", BRIDGE, "-j", "ACCEPT")
    ]


def test_a_hardware_address_is_local_and_the_bridges_own() -> None:
    assert hardware_address(BRIDGE).startswith("02:")
    assert len(hardware_address(BRIDGE)) == 17
    assert hardware_address(BRIDGE) != hardware_address("slipway-y")


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        pytest.param(["10.77.0.0/24", "192.0.2.2"], [], id="elsewhere"),
        pytest.param(["10.77.24.7"], ["10.77.24.7"], id="an address in it"),
        pytest.param(["10.0.0.0/8", "172.16.0.0/12"], ["10.0.0.0/8"], id="a network around it"),
    ],
)
def test_overlapping(others: list[str], expected: list[str]) -> None:
    assert overlapping(SUBNET, others) == expected


@pytest.mark.parametrize(
    ("resolv_conf", "expected"),
    [
        pytest.param(
            "search a\nnameserver 192.0.2.53\nnameserver 2001:db8::1\n", ["192.0.2.53", "2001:db8::1"], id="any"
        ),
        pytest.param("nameserver 127.0.0.53\noptions edns0\n", [], id="systemd-resolved's stub"),
        pytest.param("nameserver fe80::1%eth0\nnameserver\n", ["fe80::1%eth0"], id="a zone, and an empty line"),
    ],
)
def test_resolvers(resolv_conf: str, expected: list[str]) -> None:
    assert resolvers(resolv_conf) == expected
