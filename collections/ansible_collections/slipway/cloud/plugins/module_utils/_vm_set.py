# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Everything about a set of throw-away VMs that follows from its name: see docs/architecture.md, section 4."""

from __future__ import annotations

import dataclasses
import re

MAX_WORKERS = 9
_MAIN = "main"
# Every other set has two workers; "k" is for what only needs a node to be killed, "m" for minikube.
_WORKERS = {"k": 0, "m": 0}


class VmSetError(ValueError):
    """A set of VMs that cannot be; the message says what to change."""


@dataclasses.dataclass(frozen=True)
class Node:
    """One VM: its name, its address and the inventory's group."""

    name: str
    address: str
    group: str


@dataclasses.dataclass(frozen=True)
class VmSet:
    """The names and addresses of a set; C(kubeconfig) is relative to the cache directory."""

    name: str
    prefix: str
    bridge: str
    subnet: str
    gateway: str
    lb_range: str
    nodes: tuple[Node, ...]
    kubeconfig: str
    context: str


def _workers(name: str, workers: int | str | None) -> int:
    if workers is None:
        return _WORKERS.get(name, 2)
    if not re.fullmatch(r"\d+", str(workers)) or int(workers) > MAX_WORKERS:
        raise VmSetError(f"vm_workers is {workers!r}: a set has 0 to {MAX_WORKERS} workers.")
    return int(workers)


def layout(name: str, workers: int | str | None = None, *, control_planes: int = 1) -> VmSet:
    """Return the layout of the set ``name``, with its usual count of workers unless one is given.

    Raise VmSetError for a name that is neither C(main) nor a lower-case letter, or for counts that are not supported.
    """
    if name != _MAIN and not re.fullmatch("[a-z]", name):
        raise VmSetError(f"vm_set is {name!r}: a set is called main, or by one lower-case letter.")
    if control_planes != 1:
        raise VmSetError(f"control_planes is {control_planes!r}: only one control plane is supported.")
    main = name == _MAIN
    network = f"10.77.{0 if main else ord(name) - ord('a') + 1}"
    prefix = "" if main else f"{name}-"
    groups = ["control_plane", *["workers"] * _workers(name, workers)]
    return VmSet(
        name=name,
        prefix=prefix,
        bridge=f"slipway-{name}",
        subnet=f"{network}.0/24",
        gateway=f"{network}.1",
        lb_range=f"{network}.200-{network}.239",
        nodes=tuple(Node(f"{prefix}node{n}", f"{network}.{10 + n}", group) for n, group in enumerate(groups, start=1)),
        kubeconfig="kubeconfig" if main else f"kubeconfig-{name}",
        context="slipway" if main else f"slipway-{name}",
    )
