# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What a machine is, and what containerd, kubelet and kube-proxy must be told because of that.

Runs on nodes, also on those that preflight refuses: the standard library of Python 3.8 only. :func:`observe` reads,
:func:`settings` decides.
"""

# pylint: disable=ansible-bad-function  # no AnsibleModule is known here, so there is no run_command
from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ._host_probes import (
    Disk,
    clock_synchronized,
    disk,
    hostname_resolves,
    key_values,
    listening,
    missing_controllers,
    missing_modules,
    nameservers,
    text,
)

CAP_SYS_RESOURCE = 24  # linux/capability.h

# As systemd-detect-virt --container names them.
CONTAINERS = frozenset({"container-other", "docker", "lxc", "lxc-libvirt", "openvz", "podman", "systemd-nspawn"})

RESOLV_CONF = "/etc/resolv.conf"
RESOLVED_RESOLV_CONF = "/run/systemd/resolve/resolv.conf"
OWN_RESOLV_CONF = "/etc/kubernetes/resolv.conf"

# Package of Debian and Ubuntu -> what shows that it, or another that provides the same, is there.
PACKAGES: t.Mapping[str, str] = {
    "conntrack": "usr/sbin/conntrack",
    "ethtool": "usr/sbin/ethtool",
    "iproute2": "usr/sbin/tc",
    "iptables": "usr/sbin/iptables",
    "kmod": "usr/sbin/modprobe",
    "python3-cryptography": "usr/lib/python3/dist-packages/cryptography",
    "runc": "usr/sbin/runc",
    "socat": "usr/bin/socat",
}

# Runtimes other than the containerd that the role host installs, by what they listen on.
RUNTIMES: t.Mapping[str, str] = {
    "docker": "run/docker.sock",
    "cri-dockerd": "run/cri-dockerd.sock",
    "CRI-O": "run/crio/crio.sock",
    "k3s": "run/k3s/containerd/containerd.sock",
}
_CONTAINERD_CONFIG = "etc/containerd/config.toml"
_OWN_CONTAINERD_CONFIG = "etc/containerd/conf.d/slipway.toml"
_CRI_DISABLED = re.compile(r"^\s*disabled_plugins\s*=\s*\[[^\]]*\bcri\b", re.MULTILINE)

_BRIDGE_NETFILTER = "net.bridge.bridge-nf-call-iptables"

CgroupDriver = t.Literal["systemd", "cgroupfs"]
Membership = t.Literal["none", "member", "interrupted", "foreign"]
ContainerdConfig = t.Literal["none", "own", "foreign", "without CRI"]


@dataclass(frozen=True)
class Observations:
    """What was seen on a machine; nothing here is judged."""

    hostname: str
    address: str
    """The source address of the default route; empty without one."""
    os_id: str
    os_version: str
    machine: str
    """The architecture, as uname names it."""
    kernel: str
    virtualization: str
    cpus: int
    memory_bytes: int
    swap: bool
    cgroup_version: int
    bounding_set: int
    """The capabilities that no process of this machine can exceed, as a bit mask."""
    nameservers: list[str] = field(default_factory=list)
    """Those of /etc/resolv.conf."""
    resolved_nameservers: list[str] = field(default_factory=list)
    """Those that systemd-resolved forwards to; empty where it does not run."""
    kernel_modules_available: bool = True
    bridge_netfilter: bool = False
    missing_modules: list[str] = field(default_factory=list)
    """What the kernel neither has nor can load of overlay and br_netfilter."""
    missing_controllers: list[str] = field(default_factory=list)
    """The cgroup controllers that Kubernetes needs and the kernel does not offer."""
    missing_packages: list[str] = field(default_factory=list)
    kubeadm_marker: str = ""
    """What the role kubeadm noted: ``begun``, the SHA-256 of the CA's certificate once complete, or nothing."""
    kubernetes_ca: str = ""
    """SHA-256 of the certificate of the CA that this node trusts, hexadecimal."""
    kubelet_configured: bool = False
    minikube: bool = False
    """Whether minikube made a Kubernetes here."""
    containerd_config: ContainerdConfig = "none"
    runtimes: list[str] = field(default_factory=list)
    """The other container runtimes that listen here, see RUNTIMES."""
    listening: dict[str, str] = field(default_factory=dict)
    """Port of those that were asked for -> the program that listens there, over TCP; without root an empty name."""
    disks: dict[str, Disk] = field(default_factory=dict)
    """The file systems of the directories that were asked for."""
    hostname_resolves: bool = True
    clock: float = 0.0
    """Seconds since 1970."""
    clock_synchronized: bool = True


@dataclass(frozen=True)
class HostSettings:
    """What follows for the services of a node."""

    cgroup_driver: CgroupDriver
    fail_cgroup_v1: bool
    fail_swap_on: bool
    may_raise_limits: bool
    """False where a process can neither lower an oom_score_adj nor raise a limit: units and runc must not try."""
    kubelet_oom_score_adj: int
    kube_proxy: dict[str, t.Any]
    """Fields of the KubeProxyConfiguration."""
    resolv_conf: str
    """The file that pods with the node's DNS, CoreDNS above all, get their nameservers from."""
    dns_upstreams: list[str]
    """The nameservers in it; none of them is a loopback address, which would mean the pod itself."""
    kernel_modules: list[str]
    sysctls: dict[str, int]
    membership: Membership


def settings(seen: Observations) -> HostSettings:
    """Return what the services of this machine must be told."""
    unified = seen.cgroup_version == 2
    may_raise_limits = bool(seen.bounding_set >> CAP_SYS_RESOURCE & 1)
    resolv_conf, upstreams = resolver(seen)
    modules = ["overlay", "br_netfilter"] if seen.kernel_modules_available else []
    return HostSettings(
        cgroup_driver="systemd" if unified else "cgroupfs",
        fail_cgroup_v1=unified,
        fail_swap_on=not seen.swap,
        may_raise_limits=may_raise_limits,
        kubelet_oom_score_adj=-999 if may_raise_limits else 0,
        kube_proxy=_kube_proxy(may_raise_limits=may_raise_limits, container=seen.virtualization in CONTAINERS),
        resolv_conf=resolv_conf,
        dns_upstreams=upstreams,
        kernel_modules=modules,
        sysctls=_sysctls(bridge_netfilter=seen.bridge_netfilter or bool(modules)),
        membership=_membership(seen),
    )


def _kube_proxy(*, may_raise_limits: bool, container: bool) -> dict[str, t.Any]:
    # Where an address moves to a node that knows the client's port from an older connection, what comes is out of that
    # one's window. Dropped as invalid, it would get no answer; passed on to the old pod, it is answered by a reset.
    conntrack: dict[str, t.Any] = {"tcpBeLiberal": True}
    if container:  # the size of the connection table belongs to the machine outside; 0 leaves it alone
        conntrack |= {"maxPerCore": 0, "min": 0}
    return {"conntrack": conntrack} | ({} if may_raise_limits else {"oomScoreAdj": 0})


def resolver(seen: Observations) -> tuple[str, list[str]]:
    """Return the first file whose nameservers a pod can reach, and these nameservers."""
    if not any(_is_loopback(server) for server in seen.nameservers):
        return RESOLV_CONF, seen.nameservers
    if seen.resolved_nameservers:
        return RESOLVED_RESOLV_CONF, seen.resolved_nameservers
    return OWN_RESOLV_CONF, [server for server in seen.nameservers if not _is_loopback(server)]


def _is_loopback(server: str) -> bool:
    return server.startswith("127.") or server == "::1"


def _sysctls(*, bridge_netfilter: bool) -> dict[str, int]:
    values = {"net.ipv4.ip_forward": 1, "vm.overcommit_memory": 1, "kernel.panic": 10}
    return {**values, _BRIDGE_NETFILTER: 1} if bridge_netfilter else values


def _membership(seen: Observations) -> Membership:
    """Return what kubeadm left here: only what our own role began may be reset."""
    if not seen.kubeadm_marker:
        return "foreign" if seen.kubelet_configured else "none"
    return "member" if seen.kubeadm_marker == seen.kubernetes_ca else "interrupted"


def observe(
    *, root: Path = Path("/"), marker: str, directories: t.Sequence[str] = (), ports: t.Sequence[int] = ()
) -> Observations:
    """Look at this machine.

    :param root: where its files are; another directory than ``/`` in tests.
    :param marker: path of the note that the role kubeadm keeps.
    :param directories: those whose file systems are of interest; they need not exist.
    :param ports: those of interest.
    """
    release = key_values(text(root / "etc/os-release"), "=")
    memory = key_values(text(root / "proc/meminfo"), ":")
    init = key_values(text(root / "proc/1/status"), ":")
    uname = os.uname()
    unified = (root / "sys/fs/cgroup/cgroup.controllers").is_file()
    ca = root / "etc/kubernetes/pki/ca.crt"
    return Observations(
        hostname=uname.nodename.lower(),
        address=_address(),
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        machine=uname.machine,
        kernel=uname.release,
        virtualization=_virtualization(),
        cpus=os.cpu_count() or 1,
        memory_bytes=int(memory.get("MemTotal", "0 kB").split()[0]) * 1024,
        swap=len(text(root / "proc/swaps").splitlines()) > 1,
        cgroup_version=2 if unified else 1,
        bounding_set=int(init.get("CapBnd", "0"), 16),
        nameservers=nameservers(text(root / "etc/resolv.conf")),
        resolved_nameservers=nameservers(text(root / RESOLVED_RESOLV_CONF.lstrip("/"))),
        kernel_modules_available=(root / "lib/modules" / uname.release).is_dir(),
        bridge_netfilter=(root / "proc/sys" / _BRIDGE_NETFILTER.replace(".", "/")).is_file(),
        missing_modules=missing_modules(root, uname.release),
        missing_controllers=missing_controllers(root, unified=unified),
        missing_packages=[name for name, path in PACKAGES.items() if not _provided(root, path)],
        kubeadm_marker=text(root / marker.lstrip("/")).strip(),
        kubernetes_ca=hashlib.sha256(ca.read_bytes()).hexdigest() if ca.is_file() else "",
        kubelet_configured=(root / "etc/kubernetes/kubelet.conf").is_file(),
        minikube=(root / "var/lib/minikube").is_dir(),
        containerd_config=_containerd_config(root),
        runtimes=[name for name, path in RUNTIMES.items() if (root / path).exists()],
        listening=listening(root, ports),
        disks={directory: disk(root / directory.lstrip("/")) for directory in directories},
        hostname_resolves=hostname_resolves(uname.nodename),
        clock=time.time(),
        clock_synchronized=clock_synchronized(),
    )


def _provided(root: Path, path: str) -> bool:
    return (root / path).exists() or (root == Path("/") and shutil.which(Path(path).name) is not None)


def _containerd_config(root: Path) -> ContainerdConfig:
    config = text(root / _CONTAINERD_CONFIG)
    if (root / _OWN_CONTAINERD_CONFIG).is_file():
        return "own"
    if not config.strip():
        return "none"
    return "without CRI" if _CRI_DISABLED.search(config) else "foreign"


def _address() -> str:
    """Return the address this machine would call others from; connecting a datagram socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _virtualization() -> str:
    try:
        found = subprocess.run(["systemd-detect-virt"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return found.stdout.strip()
