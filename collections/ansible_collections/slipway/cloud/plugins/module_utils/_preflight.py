# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What is wrong with a host, judged by what was seen on it and by what its groups need.

An ``error`` cannot work, or would be paid for later; a ``warning`` works, but not as it could.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ._bundle import ARCHITECTURES
from ._host import CONTAINERS, OWN_RESOLV_CONF, Observations, resolver, settings

Level = t.Literal["error", "warning"]
Installer = t.Literal["", "kubeadm", "minikube"]

_MIB = 1 << 20
# A node's name, as the API wants it (RFC 1123).
_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
# As /proc/<pid>/comm has them, which ends after 15 characters; nothing at all where the program may not be seen.
_OWN_PROGRAMS = frozenset({"", "etcd", "kube-apiserver", "kube-controller", "kube-scheduler", "kubelet"})


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a host, and what to do."""

    check: str
    level: Level
    found: str
    remedy: str


@dataclass(frozen=True)
class Needs:
    """What a host must be and have; ``installer`` is what makes it a node, empty if it becomes none."""

    systems: t.Mapping[str, t.Collection[str]]
    """Accepted versions by the distribution's ID, as os-release has them."""
    installer: Installer = ""
    machine: str | None = None
    """The architecture of the programs that it is given, as uname names it; any known one if None."""
    cpus: int = 1
    memory_mib: int = 0
    disk_mib: t.Mapping[str, int] = field(default_factory=dict)
    """What a first installation writes, by directory."""
    disk_used_percent: int = 100
    """How full a disk may get."""
    ports: t.Collection[int] = ()
    clock: tuple[float, float] = (0.0, 0.0)
    """What the controller's clock said before and after the host was looked at."""
    clock_skew: float = 10.0
    """By how many seconds its clock may differ."""


class DiskNeed(t.TypedDict):
    """What a first installation writes in a directory."""

    path: str
    mib: int


class Row(t.TypedDict):
    """What a host needs because it is in a group."""

    group: str
    installer: Installer
    cpus: int
    memory_mib: int
    ports: list[int]
    disk: list[DiskNeed]


def needs_of(groups: t.Collection[str], table: t.Iterable[Row], **same: t.Any) -> Needs | None:
    """Return what a host needs for all its groups, None if none of them needs anything.

    :param same: the fields of Needs that no group decides.
    """
    rows = [row for row in table if row["group"] in groups]
    if not rows:
        return None
    return Needs(
        installer=next((row["installer"] for row in rows if row["installer"]), ""),
        cpus=max(row["cpus"] for row in rows),
        memory_mib=max(row["memory_mib"] for row in rows),
        disk_mib={disk["path"]: disk["mib"] for row in rows for disk in row["disk"]},
        ports=sorted({port for row in rows for port in row["ports"]}),
        **same,
    )


@dataclass(frozen=True)
class Host:
    """What is judged."""

    seen: Observations
    needs: Needs

    @property
    def runs(self) -> bool:
        """Whether the Kubernetes of this site is here, if only in part."""
        if self.needs.installer == "minikube":
            return self.seen.minikube
        return settings(self.seen).membership in ("member", "interrupted")


class Problem(t.NamedTuple):
    """What a check finds."""

    level: Level
    found: str
    remedy: str


Problems = t.Iterator[Problem]


def findings(host: Host, *, ignore: t.Collection[str] = ()) -> list[Finding]:
    """Return all that is wrong with a host; ``ignore`` are names of checks whose findings are not wanted."""
    checks = {**CHECKS, **NODE_CHECKS} if host.needs.installer else CHECKS
    wanted = {name: check for name, check in checks.items() if name not in ignore}
    return [Finding(name, *problem) for name, check in wanted.items() for problem in check(host)]


def _system(host: Host) -> Problems:
    if host.seen.os_version not in host.needs.systems.get(host.seen.os_id, ()):
        known = " or ".join(f"{name} {', '.join(versions)}" for name, versions in host.needs.systems.items())
        yield Problem("error", f"{host.seen.os_id or 'unknown'} {host.seen.os_version}".rstrip(), f"use {known}")


def _architecture(host: Host) -> Problems:
    if host.seen.machine not in ARCHITECTURES:
        yield Problem("error", host.seen.machine, f"use one of {', '.join(ARCHITECTURES)}")
    elif host.needs.machine not in (None, host.seen.machine):
        remedy = f"run Ansible on a machine that is {host.seen.machine} too"
        yield Problem("error", f"{host.seen.machine}, but the bundle is for {host.needs.machine}", remedy)


def _cpus(host: Host) -> Problems:
    if host.seen.cpus < host.needs.cpus:
        other = ", or set minikube_single_cpu: true" if host.needs.installer == "minikube" else ""
        yield Problem("error", f"{host.seen.cpus}, {host.needs.cpus} needed", f"give the machine more CPUs{other}")


def _memory(host: Host) -> Problems:
    if host.seen.memory_bytes < host.needs.memory_mib * _MIB:
        found = f"{host.seen.memory_bytes // _MIB} MiB, {host.needs.memory_mib} needed"
        yield Problem("error", found, "give the machine more memory")


def _disk(host: Host) -> Problems:
    """Judge each file system once: what several directories need of it adds up. What runs has written its part."""
    devices: dict[int, list[str]] = {}
    for directory in host.needs.disk_mib:
        devices.setdefault(host.seen.disks[directory]["device"], []).append(directory)
    for directories in devices.values():
        disk = host.seen.disks[directories[0]]
        needed = 0 if host.runs else sum(host.needs.disk_mib[directory] for directory in directories)
        where = ", ".join(directories)
        if disk["free_mib"] < needed:
            yield Problem("error", f"{disk['free_mib']} MiB free in {where}, {needed} needed", "free some space")
        elif 100 * (disk["free_mib"] - needed) < (100 - host.needs.disk_used_percent) * disk["total_mib"]:
            found = f"more than {host.needs.disk_used_percent} % used in {where}{' afterwards' if needed else ''}"
            yield Problem("warning", found, "free some space: kubelet will remove images and evict pods")


def _ports(host: Host) -> Problems:
    own = _OWN_PROGRAMS if host.runs or host.seen.kubelet_configured else frozenset[str]()
    taken = {port: host.seen.listening[str(port)] for port in host.needs.ports if str(port) in host.seen.listening}
    for port, program in taken.items():
        if program not in own:
            yield Problem("error", f"{port} is taken by {program or 'a program'}", "stop that program")


def _kernel(host: Host) -> Problems:
    if not host.seen.missing_modules:
        return
    modules = " ".join(host.seen.missing_modules)
    if host.seen.virtualization in CONTAINERS:
        remedy = f"load it on the machine outside: modprobe --all {modules}"
    elif host.seen.kernel_modules_available:
        remedy = "use a kernel of the distribution"
    else:
        remedy = "reboot into the kernel that is installed"
    yield Problem("error", f"{host.seen.kernel} without {modules}", remedy)


def _cgroup(host: Host) -> Problems:
    if host.seen.missing_controllers:
        missing = " ".join(host.seen.missing_controllers)
        yield Problem(
            "error", f"no controller {missing}", "boot with cgroup_enable=memory, or without what disables it"
        )
    if host.seen.cgroup_version == 1:
        remedy = "boot with systemd.unified_cgroup_hierarchy=1: Kubernetes is about to give up version 1"
        yield Problem("warning", "version 1", remedy)


def _swap(host: Host) -> Problems:
    if host.seen.swap and host.seen.virtualization not in CONTAINERS:
        remedy = "swapoff --all, and remove it from /etc/fstab: pods get none"
        yield Problem("warning", "in use", remedy)


def _clock(host: Host) -> Problems:
    began, ended = host.needs.clock
    skew = host.seen.clock - min(max(host.seen.clock, began), ended)
    if abs(skew) > host.needs.clock_skew:
        found = f"{abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
        yield Problem("error", found, "set it, and let systemd-timesyncd or chrony keep it: certificates depend on it")
    elif not host.seen.clock_synchronized and host.seen.virtualization not in CONTAINERS:
        yield Problem("warning", "nothing keeps it right", "install systemd-timesyncd or chrony")


def _resolver(host: Host) -> Problems:
    """minikube hands pods the file of systemd-resolved where there is one, and never one without loopback addresses."""
    path, upstreams = resolver(host.seen)
    if host.seen.nameservers and not upstreams:
        remedy = "name a reachable server in /etc/resolv.conf: for a pod, loopback is the pod itself"
        yield Problem("error", f"only {', '.join(host.seen.nameservers)}", remedy)
    elif host.needs.installer == "minikube" and path == OWN_RESOLV_CONF:
        remedy = "take the loopback address out of /etc/resolv.conf: CoreDNS would ask itself"
        yield Problem("error", ", ".join(host.seen.nameservers), remedy)


def _hostname(host: Host) -> Problems:
    if not _NODE_NAME.fullmatch(host.seen.hostname):
        remedy = "hostnamectl set-hostname NAME, of lower-case letters, digits, - and ."
        yield Problem("error", f"{host.seen.hostname} is no name for a node", remedy)
    elif not host.seen.hostname_resolves:
        yield Problem("warning", f"{host.seen.hostname} has no address", "add it to /etc/hosts")


def _runtime(host: Host) -> Problems:
    config = "/etc/containerd/config.toml"
    if host.seen.containerd_config == "without CRI":
        remedy = "remove it (apt-get remove containerd.io), or take cri out of disabled_plugins"
        yield Problem("error", f"a containerd whose {config} disables cri, as docker's does", remedy)
    elif host.seen.containerd_config == "foreign":
        yield Problem("warning", f"a containerd with its own {config}", "keep a copy: it is replaced")
    for name in host.seen.runtimes:
        yield Problem("warning", f"{name} runs here too", "remove it unless you need it: both change the packet rules")


def _kubernetes(host: Host) -> Problems:
    other = "minikube" if host.seen.minikube else "kubeadm"
    if host.seen.kubelet_configured and not host.runs:
        remedy = {"minikube": "minikube delete", "kubeadm": "kubeadm reset"}[other]
        yield Problem("error", "belongs to another Kubernetes", f"if it is not needed any more: {remedy}")


Check = t.Callable[[Host], Problems]

CHECKS: t.Mapping[str, Check] = {
    "system": _system,
    "architecture": _architecture,
    "cpus": _cpus,
    "memory": _memory,
    "disk": _disk,
}
NODE_CHECKS: t.Mapping[str, Check] = {
    "ports": _ports,
    "kernel": _kernel,
    "cgroup": _cgroup,
    "swap": _swap,
    "clock": _clock,
    "resolver": _resolver,
    "hostname": _hostname,
    "runtime": _runtime,
    "kubernetes": _kubernetes,
}
