# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What can be read of a machine: its files, its kernel, its ports, its clock.

Runs on nodes, also on those that preflight refuses: the standard library of Python 3.8 only.
"""

# pylint: disable=ansible-bad-function  # no AnsibleModule is known here, so there is no run_command
from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import typing as t
from contextlib import suppress

if t.TYPE_CHECKING:
    from pathlib import Path

# What Kubernetes needs of the kernel -> what shows that it is there: a file, or a file and a word in it.
_KERNEL_FEATURES: t.Mapping[str, tuple[str, str]] = {
    "br_netfilter": ("proc/sys/net/bridge/bridge-nf-call-iptables", ""),
    "overlay": ("proc/filesystems", "overlay"),
}
_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")

_LISTEN = "0A"  # net/tcp_states.h
_MIB = 1 << 20
# As systemd judges it: from then on the kernel takes the clock for unsynchronized.
_WORST_CLOCK_ERROR_MICROSECONDS = 16_000_000
_RESOLVE_ONCE = {"RES_OPTIONS": "timeout:1 attempts:1"}


class Disk(t.TypedDict):
    """A file system: its device number, what it holds and what users may still write."""

    device: int
    total_mib: int
    free_mib: int


def text(path: Path) -> str:
    """Return what is in a file; nothing if it is not there, or not for this user."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


def nameservers(resolv_conf: str) -> list[str]:
    """Return the addresses of the nameserver lines of a resolv.conf, without their interfaces."""
    words = (line.split() for line in resolv_conf.splitlines())
    return [line[1].partition("%")[0] for line in words if len(line) > 1 and line[0] == "nameserver"]


def key_values(content: str, separator: str) -> dict[str, str]:
    """Return the ``key<separator>value`` lines of a text, unquoted."""
    pairs = (line.partition(separator) for line in content.splitlines())
    return {key.strip(): value.strip().strip('"') for key, found, value in pairs if found}


def missing_modules(root: Path, kernel: str) -> list[str]:
    """Return what the kernel neither has nor finds among its modules."""
    known = "".join(text(root / "lib/modules" / kernel / name) for name in ("modules.dep", "modules.builtin"))
    return [name for name in _KERNEL_FEATURES if not _running(root, name) and f"/{name}.ko" not in known]


def _running(root: Path, feature: str) -> bool:
    path, word = _KERNEL_FEATURES[feature]
    return (root / path).is_file() and word in ["", *text(root / path).split()]


def missing_controllers(root: Path, *, unified: bool) -> list[str]:
    """Return the cgroup controllers that Kubernetes needs and that are not there, or switched off at boot."""
    if unified:
        offered = text(root / "sys/fs/cgroup/cgroup.controllers").split()
    else:
        offered = [line.split()[0] for line in text(root / "proc/cgroups").splitlines() if line.endswith("\t1")]
    return [name for name in _CONTROLLERS if name not in offered]


def listening(root: Path, ports: t.Container[int]) -> dict[str, str]:
    """Return which TCP ports are listened on, each with the name of the program, as far as this user may see it."""
    sockets = {}
    for table in ("proc/net/tcp", "proc/net/tcp6"):
        for fields in map(str.split, text(root / table).splitlines()[1:]):
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == _LISTEN and port in ports:
                sockets[fields[9]] = str(port)
    owners = dict(_owners(root, sockets)) if sockets else {}
    return {port: owners.get(inode, "") for inode, port in sockets.items()}


def _owners(root: Path, inodes: t.Container[str]) -> t.Iterator[tuple[str, str]]:
    """Yield the given sockets that a process has open, with the name of its program."""
    for process in (root / "proc").glob("[0-9]*"):
        for inode in _sockets(process / "fd"):
            if inode in inodes:
                yield inode, text(process / "comm").strip()


def _sockets(descriptors: Path) -> t.Iterator[str]:
    """Yield the inodes of a process's sockets; of none if it ended, or is another user's."""
    with suppress(OSError):
        for descriptor in os.listdir(descriptors):
            with suppress(OSError):  # closed meanwhile
                link = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptors / descriptor))
                if link:
                    yield link[1]


def disk(directory: Path) -> Disk:
    """Return the file system on which a directory is, or will be."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    usage = shutil.disk_usage(existing)
    return {"device": existing.stat().st_dev, "total_mib": usage.total // _MIB, "free_mib": usage.free // _MIB}


def hostname_resolves(hostname: str) -> bool:
    """Whether the machine finds its own name; a resolver that is silent is not waited for."""
    command, env = ["getent", "ahosts", hostname], {**os.environ, **_RESOLVE_ONCE}
    try:
        return subprocess.run(command, env=env, capture_output=True, check=False, timeout=5).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def clock_synchronized() -> bool:
    """Whether something keeps the kernel's clock right; where it may not be asked, it is taken to be."""
    timex = (ctypes.c_long * 64)()  # of adjtimex(2): modes, offset, freq, maxerror, ...; modes 0 only reads
    if ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) < 0:
        return True
    return timex[3] < _WORST_CLOCK_ERROR_MICROSECONDS
