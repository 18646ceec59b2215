# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided for the machines that matter, and what is seen on one."""

from __future__ import annotations

import hashlib
import os
import typing as t
from dataclasses import asdict, replace

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._host import (
    PACKAGES,
    Observations,
    observe,
    settings,
)

if t.TYPE_CHECKING:
    from pathlib import Path

ALL_CAPABILITIES = 0x1FFFFFFFFFF
NO_SYS_RESOURCE = 0x1FFFEFFFFFF

DEBIAN_12 = Observations(
    hostname="node1",
    address="192.0.2.10",
    os_id="debian",
    os_version="12",
    machine="x86_64",
    kernel="6.1.0-40-amd64",
    virtualization="kvm",
    cpus=2,
    memory_bytes=4 << 30,
    swap=False,
    cgroup_version=2,
    bounding_set=ALL_CAPABILITIES,
    nameservers=["192.0.2.1"],
)
DEBIAN_13 = replace(DEBIAN_12, os_version="13", kernel="6.12.48+deb13-amd64")
UBUNTU_2404 = replace(
    DEBIAN_12,
    os_id="ubuntu",
    os_version="24.04",
    kernel="6.8.0-71-generic",
    nameservers=["127.0.0.53"],
    resolved_nameservers=["192.0.2.1"],
)
UBUNTU_2204 = replace(UBUNTU_2404, os_version="22.04", kernel="5.15.0-151-generic")
UBUNTU_2004 = replace(UBUNTU_2404, os_version="20.04", kernel="5.4.0-216-generic", cgroup_version=1)
# A VM made by the role vm on a machine with cgroup v1, without modules and without CAP_SYS_RESOURCE.
TEST_BED = replace(
    DEBIAN_12,
    kernel="6.18.44",
    virtualization="systemd-nspawn",
    cgroup_version=1,
    bounding_set=NO_SYS_RESOURCE,
    nameservers=["10.77.0.1"],
    kernel_modules_available=False,
    bridge_netfilter=True,
)

MACHINE = {
    "cgroup_driver": "systemd",
    "fail_cgroup_v1": True,
    "fail_swap_on": True,
    "may_raise_limits": True,
    "kubelet_oom_score_adj": -999,
    "kube_proxy": {"conntrack": {"tcpBeLiberal": True}},
    "resolv_conf": "/etc/resolv.conf",
    "dns_upstreams": ["192.0.2.1"],
    "kernel_modules": ["overlay", "br_netfilter"],
    "sysctls": {
        "net.ipv4.ip_forward": 1,
        "vm.overcommit_memory": 1,
        "kernel.panic": 10,
        "net.bridge.bridge-nf-call-iptables": 1,
    },
    "membership": "none",
}
RESOLVED = {"resolv_conf": "/run/systemd/resolve/resolv.conf"}
CGROUP_V1 = {"cgroup_driver": "cgroupfs", "fail_cgroup_v1": False}
NO_LIMITS = {"may_raise_limits": False, "kubelet_oom_score_adj": 0}
OWN_TABLES_ONLY = {"conntrack": {"tcpBeLiberal": True, "maxPerCore": 0, "min": 0}}


@pytest.mark.parametrize(
    ("seen", "differs"),
    [
        pytest.param(DEBIAN_12, {}, id="Debian 12"),
        pytest.param(DEBIAN_13, {}, id="Debian 13"),
        pytest.param(UBUNTU_2404, RESOLVED, id="Ubuntu 24.04"),
        pytest.param(UBUNTU_2204, RESOLVED, id="Ubuntu 22.04"),
        pytest.param(UBUNTU_2004, {**RESOLVED, **CGROUP_V1}, id="a machine with cgroup v1"),
        pytest.param(
            TEST_BED,
            {
                **CGROUP_V1,
                **NO_LIMITS,
                "kube_proxy": {"oomScoreAdj": 0, **OWN_TABLES_ONLY},
                "dns_upstreams": ["10.77.0.1"],
                "kernel_modules": [],
            },
            id="the test bed",
        ),
        pytest.param(
            replace(DEBIAN_12, virtualization="lxc", kernel_modules_available=False),
            {
                "kube_proxy": OWN_TABLES_ONLY,
                "kernel_modules": [],
                "sysctls": {"net.ipv4.ip_forward": 1, "vm.overcommit_memory": 1, "kernel.panic": 10},
            },
            id="a container without br_netfilter",
        ),
        pytest.param(replace(DEBIAN_12, virtualization="none"), {}, id="bare metal"),
        pytest.param(replace(DEBIAN_12, swap=True), {"fail_swap_on": False}, id="swap"),
        pytest.param(
            replace(DEBIAN_12, nameservers=["127.0.0.1", "192.0.2.1"]),
            {"resolv_conf": "/etc/kubernetes/resolv.conf"},
            id="a resolver of its own before another",
        ),
        pytest.param(
            replace(DEBIAN_12, nameservers=["::1"]),
            {"resolv_conf": "/etc/kubernetes/resolv.conf", "dns_upstreams": []},
            id="a resolver of its own alone",
        ),
        pytest.param(replace(DEBIAN_12, nameservers=[]), {"dns_upstreams": []}, id="no resolver"),
        pytest.param(replace(DEBIAN_12, kubelet_configured=True), {"membership": "foreign"}, id="another Kubernetes"),
        pytest.param(replace(DEBIAN_12, kubeadm_marker="begun"), {"membership": "interrupted"}, id="kubeadm killed"),
        pytest.param(
            replace(DEBIAN_12, kubeadm_marker="ab12", kubernetes_ca="ab12", kubelet_configured=True),
            {"membership": "member"},
            id="a node of this Kubernetes",
        ),
        pytest.param(
            replace(DEBIAN_12, kubeadm_marker="ab12", kubernetes_ca="cd34", kubelet_configured=True),
            {"membership": "interrupted"},
            id="a node whose CA was replaced",
        ),
    ],
)
def test_settings(seen: Observations, differs: dict[str, t.Any]) -> None:
    assert asdict(settings(seen)) == {**MACHINE, **differs}


# Port 6443 is listened on, port 22 too, and port 50000 is one end of a connection.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0 100 0 0 10 0
   1: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 778 1 0 100 0 0 10 0
   2: 0100007F:C350 0100007F:192B 01 00000000:00000000 00:00000000 00000000     0        0 779 1 0 100 0 0 10 0
"""
CONTAINERD_OF_DOCKER = '#   comment\ndisabled_plugins = ["cri"]\n#root = "/var/lib/containerd"\n'
OF_THIS_MACHINE = (
    "hostname",
    "address",
    "machine",
    "virtualization",
    "cpus",
    "disks",
    "hostname_resolves",
    "clock",
    "clock_synchronized",
)


def write(root: Path, files: t.Mapping[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_observe_a_machine(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "etc/os-release": 'ID=ubuntu\nVERSION_ID="24.04"\n',
            "etc/resolv.conf": "nameserver 127.0.0.53\n",
            "run/systemd/resolve/resolv.conf": "nameserver 192.0.2.1\n",
            "proc/meminfo": "MemTotal:        4015860 kB\nMemFree: 1 kB\n",
            "proc/1/status": "Name:\tsystemd\nCapBnd:\t000001fffeffffff\n",
            "proc/swaps": "Filename Type Size Used Priority\n/swap.img file 1 0 -2\n",
            "proc/sys/net/bridge/bridge-nf-call-iptables": "1\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
            f"lib/modules/{os.uname().release}/modules.dep": "",
            "etc/kubernetes/pki/ca.crt": "certificate",
            "etc/kubernetes/kubelet.conf": "",
            "etc/containerd/config.toml": CONTAINERD_OF_DOCKER,
            "run/docker.sock": "",
            "proc/net/tcp": TCP,
            "proc/41/comm": "kube-apiserver\n",
            "proc/filesystems": "nodev\toverlay\n",
            "note": "begun\n",
            **{path: "" for package, path in PACKAGES.items() if package != "socat"},
        },
    )
    (tmp_path / "proc/41/fd").mkdir()
    (tmp_path / "proc/41/fd/3").symlink_to("socket:[777]")
    seen = observe(root=tmp_path, marker="/note", directories=["/var/lib"], ports=[22, 6443, 50000, 10250])
    here = {name: getattr(seen, name) for name in OF_THIS_MACHINE}
    assert asdict(seen) == {
        **here,
        "os_id": "ubuntu",
        "os_version": "24.04",
        "kernel": os.uname().release,
        "memory_bytes": 4015860 * 1024,
        "swap": True,
        "cgroup_version": 2,
        "bounding_set": NO_SYS_RESOURCE,
        "nameservers": ["127.0.0.53"],
        "resolved_nameservers": ["192.0.2.1"],
        "kernel_modules_available": True,
        "bridge_netfilter": True,
        "missing_modules": [],
        "missing_controllers": ["cpuset", "pids"],
        "missing_packages": ["socat"],
        "kubeadm_marker": "begun",
        "kubernetes_ca": hashlib.sha256(b"certificate").hexdigest(),
        "kubelet_configured": True,
        "minikube": False,
        "containerd_config": "without CRI",
        "runtimes": ["docker"],
        "listening": {"6443": "kube-apiserver", "22": ""},
    }
    assert seen.disks.keys() == {"/var/lib"}


def test_observe_an_empty_machine(tmp_path: Path) -> None:
    seen = observe(root=tmp_path, marker="/note")
    assert (seen.cgroup_version, seen.swap, seen.kernel_modules_available) == (1, False, False)
    assert (seen.kubeadm_marker, seen.kubernetes_ca, seen.kubelet_configured) == ("", "", False)
    assert seen.missing_packages == list(PACKAGES)
    assert seen.missing_modules == ["br_netfilter", "overlay"]
    assert seen.missing_controllers == ["cpu", "cpuset", "memory", "pids"]
    assert (seen.containerd_config, seen.runtimes, seen.listening) == ("none", [], {})


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("", "none"),
        ("version = 2\n", "foreign"),
        ("# disabled_plugins = ['cri']\n", "foreign"),
        (CONTAINERD_OF_DOCKER, "without CRI"),
        ('disabled_plugins = [\n  "aufs",\n  "io.containerd.grpc.v1.cri",\n]\n', "without CRI"),
        ('disabled_plugins = []\n[plugins."io.containerd.grpc.v1.cri"]\n', "foreign"),
    ],
)
def test_containerd_config(config: str, expected: str, tmp_path: Path) -> None:
    write(tmp_path, {"etc/containerd/config.toml": config})
    assert observe(root=tmp_path, marker="/note").containerd_config == expected
    write(tmp_path, {"etc/containerd/conf.d/slipway.toml": ""})
    assert observe(root=tmp_path, marker="/note").containerd_config == "own"
