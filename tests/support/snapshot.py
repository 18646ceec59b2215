"""What a machine is like: everything that a site could leave on it. Also a program, for the Python of a node."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Snapshot = dict[str, list[str]]

# The kernel's, what is mounted into a VM, logs, caches, and what packaging tools, systemd and Ansible keep.
IGNORED = re.compile(
    r"^/(dev|proc|sys|tmp|opt/slipway/(bundle|images))/|^/var/(cache|log|tmp|lib/(apt|dpkg|systemd))/"
    r"|^/run/(log|systemd|udev|user|utmp)(/|$)|^/etc/ld\.so\.cache|^/(root|home/[^/]+)/\.ansible(/|$)|/__pycache__"
)
SESSIONS = re.compile(
    r"session-|user@|user-|run-u\d+|\.device|^(sys|dev)-|^(apt|dpkg)-|systemd-tmpfiles|^run-credentials-"
)
CHAIN_OR_RULE = re.compile(r"-A |:\S+ - ")
SYSCTLS = (
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
)


def snapshot() -> Snapshot:
    """Look at this machine."""
    return {
        "packages": _lines("dpkg-query", "--show", "--showformat=${Package} ${Version} ${db:Status-Status}\n"),
        "units": [line for line in _units() if not SESSIONS.search(line)],
        "ports": sorted({" ".join(line.split()[:1] + line.split()[4:5]) for line in _lines("ss", "-Htuln")}),
        "mounts": [" ".join(line.split()[1:3]) for line in Path("/proc/self/mounts").read_text().splitlines()],
        "devices": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "routes": _lines("ip", "route", "show", "table", "all"),
        "iptables": [line for line in _rules() if CHAIN_OR_RULE.match(line)],
        "users": [*_lines("getent", "passwd"), *_lines("getent", "group")],
        "files": sorted(_files()),
        "sysctls": [f"{name} {(Path('/proc/sys') / name).read_text().strip()}" for name in SYSCTLS],
    }


def differences(before: Snapshot, after: Snapshot) -> dict[str, list[str]]:
    """What is new (+) or gone (-), by kind; empty where all is as it was."""
    found = {
        kind: [f"- {line}" for line in sorted(set(lines) - set(after[kind]))]
        + [f"+ {line}" for line in sorted(set(after[kind]) - set(lines))]
        for kind, lines in before.items()
    }
    return {kind: lines for kind, lines in found.items() if lines}


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def _units() -> list[str]:
    plain = ("--all", "--plain", "--no-legend", "--full")
    loaded = (line.split()[:2] for line in _lines("systemctl", "list-units", *plain))
    running = (line.split()[:4] for line in _lines("systemctl", "list-units", "--state=running,failed", *plain))
    installed = (line.split()[:2] for line in _lines("systemctl", "list-unit-files", *plain))
    return sorted({" ".join(words) for words in [*loaded, *running, *installed]})


def _rules() -> list[str]:
    families = ("iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy")
    return [line for family in families for line in _lines(f"{family}-save")]


def _files() -> Iterator[str]:
    for top, directories, files in os.walk("/"):
        paths = [Path(top, name) for name in [*directories, *files]]
        yield from (_describe(path) for path in paths if not IGNORED.search(str(path)))
        directories[:] = [name for name in directories if not IGNORED.search(f"{Path(top, name)}/")]


def _describe(path: Path) -> str:
    status = path.lstat()
    lasting = stat.S_ISREG(status.st_mode) and path.parts[1] != "run"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12] if lasting else ""
    return f"{path} {status.st_mode:o} {status.st_uid}:{status.st_gid} {digest}".rstrip()


if __name__ == "__main__":
    print(json.dumps(snapshot()))
