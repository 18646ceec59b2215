# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the machines that matter, by what they are to become."""

from __future__ import annotations

import typing as t
from dataclasses import astuple, replace

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._host import Observations
from ansible_collections.slipway.cloud.plugins.module_utils._preflight import Host, Needs, Row, findings, needs_of

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils._host_probes import Disk

NOW = 1_790_000_000.0
SYSTEMS = {"debian": ["12", "13"], "ubuntu": ["22.04", "24.04"]}

CONTROL_PLANE = Needs(
    systems=SYSTEMS,
    installer="kubeadm",
    machine="x86_64",
    cpus=2,
    memory_mib=1700,
    disk_mib={"/usr/local/bin": 400, "/var/lib": 3000},
    disk_used_percent=85,
    ports=[6443, 10250],
    clock=(NOW, NOW + 0.5),
)
WORKER = replace(CONTROL_PLANE, cpus=1, memory_mib=900, ports=[10250])
MINIKUBE = replace(CONTROL_PLANE, installer="minikube", memory_mib=1800, ports=[8443, 10250])
BUILDER = Needs(systems=SYSTEMS, disk_mib={"/root/.cache/slipway": 1500})


def one_disk(total_mib: int, free_mib: int) -> dict[str, Disk]:
    disk: Disk = {"device": 1, "total_mib": total_mib, "free_mib": free_mib}
    return dict.fromkeys(("/usr/local/bin", "/var/lib", "/root/.cache/slipway"), disk)


DEBIAN_12 = Observations(
    hostname="node1",
    address="192.0.2.10",
    os_id="debian",
    os_version="12",
    machine="x86_64",
    kernel="6.1.0-40-amd64",
    virtualization="kvm",
    cpus=2,
    memory_bytes=1990 << 20,
    swap=False,
    cgroup_version=2,
    bounding_set=0x1FFFFFFFFFF,
    nameservers=["192.0.2.1"],
    listening={"22": "sshd"},
    disks=one_disk(40_000, 30_000),
    clock=NOW + 0.3,
)
DEBIAN_13 = replace(DEBIAN_12, os_version="13")
UBUNTU_2404 = replace(
    DEBIAN_12, os_id="ubuntu", os_version="24.04", nameservers=["127.0.0.53"], resolved_nameservers=["192.0.2.1"]
)
UBUNTU_2204 = replace(UBUNTU_2404, os_version="22.04")
UBUNTU_2004 = replace(UBUNTU_2404, os_version="20.04", cgroup_version=1)
# A VM made by the role vm: a container to systemd-detect-virt, with the cgroups, disk, swap and clock of the machine.
TEST_BED = replace(
    DEBIAN_12,
    virtualization="systemd-nspawn",
    cgroup_version=1,
    kernel_modules_available=False,
    bridge_netfilter=True,
    swap=True,
    clock_synchronized=False,
    nameservers=["10.77.0.1"],
)
OURS = {"6443": "kube-apiserver", "10250": "kubelet", "22": "sshd"}
NODE = replace(DEBIAN_12, kubeadm_marker="ab12", kubernetes_ca="ab12", kubelet_configured=True, listening=OURS)

Expected = list[tuple[str, str, str]]


def judged(seen: Observations, needs: Needs, ignore: t.Collection[str] = ()) -> Expected:
    """Check, level and what was found; each has a remedy."""
    found = findings(Host(seen, needs), ignore=ignore)
    assert all(each.remedy for each in found)
    return [astuple(each)[:3] for each in found]


@pytest.mark.parametrize(
    "needs", [CONTROL_PLANE, WORKER, MINIKUBE, BUILDER], ids=["first", "worker", "minikube", "builder"]
)
@pytest.mark.parametrize(
    "seen", [DEBIAN_12, DEBIAN_13, UBUNTU_2204, UBUNTU_2404], ids=lambda seen: f"{seen.os_id} {seen.os_version}"
)
def test_nothing_is_wrong(seen: Observations, needs: Needs) -> None:
    assert judged(seen, needs) == []


VERSION_1 = ("cgroup", "warning", "version 1")
MACHINES: dict[str, tuple[Observations, Expected]] = {
    "the test bed": (TEST_BED, [VERSION_1]),
    "Ubuntu 20.04": (UBUNTU_2004, [("system", "error", "ubuntu 20.04"), VERSION_1]),
    "Debian testing": (replace(DEBIAN_12, os_version=""), [("system", "error", "debian")]),
    "no os-release": (replace(DEBIAN_12, os_id="", os_version=""), [("system", "error", "unknown")]),
    "unknown architecture": (replace(DEBIAN_12, machine="riscv64"), [("architecture", "error", "riscv64")]),
    "another architecture": (
        replace(DEBIAN_12, machine="aarch64"),
        [("architecture", "error", "aarch64, but the bundle is for x86_64")],
    ),
    "1 CPU": (replace(DEBIAN_12, cpus=1), [("cpus", "error", "1, 2 needed")]),
    "1 GB of memory": (replace(DEBIAN_12, memory_bytes=976 << 20), [("memory", "error", "976 MiB, 1700 needed")]),
    "swap": (replace(DEBIAN_12, swap=True), [("swap", "warning", "in use")]),
    "port taken": (
        replace(DEBIAN_12, listening={"6443": "nginx", "10250": ""}),
        [("ports", "error", "6443 is taken by nginx"), ("ports", "error", "10250 is taken by a program")],
    ),
    "API server of nobody": (
        replace(DEBIAN_12, listening={"6443": "kube-apiserver"}),
        [("ports", "error", "6443 is taken by kube-apiserver")],
    ),
    "second run": (NODE, []),
    "second run, as a user": (replace(NODE, listening=dict.fromkeys(OURS, "")), []),
    "kubeadm killed": (replace(DEBIAN_12, kubeadm_marker="begun", listening=OURS), []),
    "stolen port": (
        replace(NODE, listening={**OURS, "10250": "nc"}),
        [("ports", "error", "10250 is taken by nc")],
    ),
    "another Kubernetes": (
        replace(DEBIAN_12, kubelet_configured=True, listening=OURS),
        [("kubernetes", "error", "belongs to another Kubernetes")],
    ),
    "a kernel that was replaced": (
        replace(DEBIAN_12, missing_modules=["br_netfilter"], kernel_modules_available=False),
        [("kernel", "error", "6.1.0-40-amd64 without br_netfilter")],
    ),
    "no memory controller": (
        replace(DEBIAN_12, missing_controllers=["memory"]),
        [("cgroup", "error", "no controller memory")],
    ),
    "clock ahead": (replace(DEBIAN_12, clock=NOW + 90.5), [("clock", "error", "90 s ahead")]),
    "clock behind": (replace(DEBIAN_12, clock=NOW - 3600), [("clock", "error", "3600 s behind")]),
    "no time synchronization": (
        replace(DEBIAN_12, clock_synchronized=False),
        [("clock", "warning", "nothing keeps it right")],
    ),
    "a resolver of its own alone": (
        replace(DEBIAN_12, nameservers=["127.0.0.1"]),
        [("resolver", "error", "only 127.0.0.1")],
    ),
    "a resolver of its own and another": (replace(DEBIAN_12, nameservers=["127.0.0.1", "192.0.2.1"]), []),
    "no resolver": (replace(DEBIAN_12, nameservers=[]), []),
    "own name unknown": (
        replace(DEBIAN_12, hostname_resolves=False),
        [("hostname", "warning", "node1 has no address")],
    ),
    "no name for a node": (
        replace(DEBIAN_12, hostname="my_node"),
        [("hostname", "error", "my_node is no name for a node")],
    ),
    "docker": (
        replace(DEBIAN_12, containerd_config="without CRI", runtimes=["docker"]),
        [
            ("runtime", "error", "a containerd whose /etc/containerd/config.toml disables cri, as docker's does"),
            ("runtime", "warning", "docker runs here too"),
        ],
    ),
    "containerd of the distribution": (
        replace(DEBIAN_12, containerd_config="foreign"),
        [("runtime", "warning", "a containerd with its own /etc/containerd/config.toml")],
    ),
    "small disk": (
        replace(DEBIAN_12, disks=one_disk(8000, 3399)),
        [("disk", "error", "3399 MiB free in /usr/local/bin, /var/lib, 3400 needed")],
    ),
    "full disk": (
        replace(DEBIAN_12, disks=one_disk(40000, 9000)),
        [("disk", "warning", "more than 85 % used in /usr/local/bin, /var/lib afterwards")],
    ),
    "full disk of a node": (
        replace(NODE, disks=one_disk(40000, 400)),
        [("disk", "warning", "more than 85 % used in /usr/local/bin, /var/lib")],
    ),
    "small disk of its own": (
        replace(DEBIAN_12, disks={**DEBIAN_12.disks, "/var/lib": {"device": 2, "total_mib": 2000, "free_mib": 1900}}),
        [("disk", "error", "1900 MiB free in /var/lib, 3000 needed")],
    ),
    "everything at once": (
        replace(UBUNTU_2004, cpus=1, memory_bytes=976 << 20, swap=True, listening={"6443": "nginx"}),
        [
            ("system", "error", "ubuntu 20.04"),
            ("cpus", "error", "1, 2 needed"),
            ("memory", "error", "976 MiB, 1700 needed"),
            ("ports", "error", "6443 is taken by nginx"),
            VERSION_1,
            ("swap", "warning", "in use"),
        ],
    ),
}


@pytest.mark.parametrize(("seen", "expected"), MACHINES.values(), ids=MACHINES)
def test_control_plane(seen: Observations, expected: Expected) -> None:
    assert judged(seen, CONTROL_PLANE) == expected


@pytest.mark.parametrize(
    ("seen", "needs", "expected"),
    [
        pytest.param(replace(DEBIAN_12, cpus=1, memory_bytes=976 << 20), WORKER, [], id="a small worker"),
        pytest.param(
            replace(DEBIAN_12, cpus=1, memory_bytes=1750 << 20),
            MINIKUBE,
            [("cpus", "error", "1, 2 needed"), ("memory", "error", "1750 MiB, 1800 needed")],
            id="too small for minikube",
        ),
        pytest.param(replace(DEBIAN_12, cpus=1), replace(MINIKUBE, cpus=1), [], id="minikube_single_cpu"),
        pytest.param(
            replace(DEBIAN_12, nameservers=["127.0.0.1", "192.0.2.1"]),
            MINIKUBE,
            [("resolver", "error", "127.0.0.1, 192.0.2.1")],
            id="minikube with a resolver of its own and another",
        ),
        pytest.param(
            replace(DEBIAN_12, minikube=True, kubelet_configured=True, listening={"8443": "kube-apiserver"}),
            MINIKUBE,
            [],
            id="minikube again",
        ),
        pytest.param(
            replace(DEBIAN_12, listening={"8443": "java"}),
            MINIKUBE,
            [("ports", "error", "8443 is taken by java")],
            id="minikube's port taken",
        ),
        pytest.param(
            NODE,
            MINIKUBE,
            [("kubernetes", "error", "belongs to another Kubernetes")],
            id="minikube where kubeadm was",
        ),
        pytest.param(
            replace(DEBIAN_12, minikube=True, kubelet_configured=True),
            CONTROL_PLANE,
            [("kubernetes", "error", "belongs to another Kubernetes")],
            id="kubeadm where minikube was",
        ),
        pytest.param(
            replace(TEST_BED, hostname="my_builder", nameservers=["::1"]), BUILDER, [], id="a builder's own affairs"
        ),
        pytest.param(
            replace(DEBIAN_12, os_id="fedora", os_version="43", machine="ppc64le"),
            BUILDER,
            [("system", "error", "fedora 43"), ("architecture", "error", "ppc64le")],
            id="an unknown builder",
        ),
    ],
)
def test_other_needs(seen: Observations, needs: Needs, expected: Expected) -> None:
    assert judged(seen, needs) == expected


def test_ignore() -> None:
    assert judged(replace(TEST_BED, cpus=1), CONTROL_PLANE, ["cgroup", "memory"]) == [("cpus", "error", "1, 2 needed")]


TABLE: list[Row] = [
    {
        "group": "builder",
        "installer": "",
        "cpus": 1,
        "memory_mib": 0,
        "ports": [],
        "disk": [{"path": "/c", "mib": 9}],
    },
    {
        "group": "workers",
        "installer": "kubeadm",
        "cpus": 4,
        "memory_mib": 900,
        "ports": [10250],
        "disk": [{"path": "/v", "mib": 1}],
    },
    {"group": "edge", "installer": "", "cpus": 2, "memory_mib": 1024, "ports": [80, 10250], "disk": []},
]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param(["controller"], None, id="nothing is needed"),
        pytest.param(["builder", "controller"], Needs(systems=SYSTEMS, disk_mib={"/c": 9}, ports=[]), id="one group"),
        pytest.param(
            ["builder", "edge", "kubeadm", "workers"],
            Needs(
                systems=SYSTEMS,
                installer="kubeadm",
                cpus=4,
                memory_mib=1024,
                ports=[80, 10250],
                disk_mib={"/c": 9, "/v": 1},
            ),
            id="the most of each",
        ),
    ],
)
def test_needs_of(groups: list[str], expected: Needs | None) -> None:
    assert needs_of(groups, TABLE, systems=SYSTEMS) == expected
