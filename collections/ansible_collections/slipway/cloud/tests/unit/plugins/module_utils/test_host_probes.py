# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a machine, from files as they are on real ones."""

from __future__ import annotations

import os
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._host_probes import (
    disk,
    hostname_resolves,
    key_values,
    listening,
    missing_controllers,
    missing_modules,
    nameservers,
    text,
)

KERNEL = "6.8.0-71-generic"


def write(root: Path, files: t.Mapping[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", []),
        ("# nameserver 192.0.2.9\nsearch example\nnameserver 192.0.2.1\n", ["192.0.2.1"]),
        ("nameserver\nnameserver   fe80::1%eth0\nnameserver\t127.0.0.53 # stub\n", ["fe80::1", "127.0.0.53"]),
    ],
)
def test_nameservers(content: str, expected: list[str]) -> None:
    assert nameservers(content) == expected


def test_key_values() -> None:
    assert key_values('ID=debian\nVERSION_ID="12"\n\n# none\n', "=") == {"ID": "debian", "VERSION_ID": "12"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, ["br_netfilter", "overlay"], id="nothing"),
        pytest.param(
            {
                f"lib/modules/{KERNEL}/modules.dep": "kernel/net/bridge/br_netfilter.ko.zst: kernel/net/llc/llc.ko\n",
                f"lib/modules/{KERNEL}/modules.builtin": "kernel/fs/overlayfs/overlay.ko\n",
            },
            [],
            id="a module and one built in",
        ),
        pytest.param(
            {
                "lib/modules/6.8.0-60-generic/modules.dep": "kernel/net/bridge/br_netfilter.ko.zst:\n",
                "proc/filesystems": "nodev\tsysfs\nnodev\toverlay\n\text4\n",
            },
            ["br_netfilter"],
            id="modules of another kernel",
        ),
        pytest.param(
            {"proc/sys/net/bridge/bridge-nf-call-iptables": "1\n", "proc/filesystems": "nodev\toverlay\n"},
            [],
            id="running, without any modules",
        ),
    ],
)
def test_missing_modules(files: dict[str, str], expected: list[str], tmp_path: Path) -> None:
    write(tmp_path, files)
    assert missing_modules(tmp_path, KERNEL) == expected


CGROUPS = (
    "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t5\t1\ncpu\t4\t9\t1\nmemory\t0\t1\t0\npids\t6\t1\t1\n"
)


@pytest.mark.parametrize(
    ("unified", "path", "content", "expected"),
    [
        pytest.param(
            True, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n", [], id="version 2"
        ),
        pytest.param(True, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n", ["memory"], id="no memory"),
        pytest.param(False, "proc/cgroups", CGROUPS, ["memory"], id="version 1, memory disabled at boot"),
    ],
)
def test_missing_controllers(unified: bool, path: str, content: str, expected: list[str], tmp_path: Path) -> None:
    write(tmp_path, {path: content})
    assert missing_controllers(tmp_path, unified=unified) == expected


def test_listening_here() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as v6,
    ):
        ports = [int(each.getsockname()[1]) for each in (server, v6)]
        own = text(Path("/proc/self/comm")).strip()
        assert listening(Path("/"), ports) == {str(port): own for port in ports}
        assert listening(Path("/"), ports[:1]) == {str(ports[0]): own}
    assert listening(Path("/"), ports) == {}


def test_disk(tmp_path: Path) -> None:
    seen = disk(tmp_path / "not" / "yet")
    assert seen["device"] == os.stat(tmp_path).st_dev
    assert 0 <= seen["free_mib"] <= seen["total_mib"]


def test_hostname_resolves() -> None:
    assert hostname_resolves("localhost")
    assert not hostname_resolves("..")
