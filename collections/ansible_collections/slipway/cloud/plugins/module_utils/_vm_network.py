# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What the network of a set of VMs needs on this machine: packet rules, a resolver, and an address that is free."""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
import shlex
import typing as t

Rule = tuple[str, str, tuple[str, ...]]
"""Table, chain, and the arguments of one iptables rule."""


def comment(bridge: str) -> tuple[str, ...]:
    """Return the arguments by which this project's rules for a bridge are known."""
    return ("-m", "comment", "--comment", bridge)


def rules(bridge: str, subnet: str, *, internet: bool) -> list[Rule]:
    """Return the rules of a bridge: VMs reach each other, and what is beyond the bridge if they are to.

    They go first in their chain, since a machine with a container engine drops what it does not know.
    """
    mark = comment(bridge)
    inside: list[Rule] = [("filter", "FORWARD", ("-i", bridge, "-o", bridge, *mark, "-j", "ACCEPT"))]
    if not internet:
        refuse = ("-j", "REJECT", "--reject-with", "icmp-port-unreachable")
        return [*inside, ("filter", "FORWARD", ("-i", bridge, "!", "-o", bridge, *mark, *refuse))]
    answers = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    return [
        *inside,
        ("filter", "FORWARD", ("-i", bridge, "!", "-o", bridge, *mark, "-j", "ACCEPT")),
        ("filter", "FORWARD", ("!", "-i", bridge, "-o", bridge, *answers, *mark, "-j", "ACCEPT")),
        ("nat", "POSTROUTING", ("-s", subnet, "!", "-o", bridge, *mark, "-j", "MASQUERADE")),
    ]


def own_rules(saved: str, bridge: str) -> list[tuple[str, ...]]:
    """Return the arguments, chain first, of the rules of a bridge in the text of C(iptables -S)."""
    split = (shlex.split(line) for line in saved.splitlines() if line.startswith("-A "))
    return [tuple(words[1:]) for words in split if ("--comment", bridge) in itertools.pairwise(words)]


def hardware_address(bridge: str) -> str:
    """Return a fixed, locally administered address: else the bridge's would change with the VMs that come and go."""
    digest = hashlib.sha256(bridge.encode()).hexdigest()
    return ":".join(["02", *(digest[i : i + 2] for i in range(0, 10, 2))])


def overlapping(subnet: str, addresses: t.Iterable[str]) -> list[str]:
    """Return those networks that share an address with the subnet."""
    network = ipaddress.ip_network(subnet)
    return [text for text in addresses if ipaddress.ip_network(text, strict=False).overlaps(network)]


def resolvers(resolv_conf: str) -> list[str]:
    """Return the nameservers of a resolv.conf that a VM can reach too: not those that listen on loopback."""
    rows = [line.split() for line in resolv_conf.splitlines()]
    servers = [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"]
    return [server for server in servers if not ipaddress.ip_address(server.partition("%")[0]).is_loopback]
