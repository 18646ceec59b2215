"""What a set of VMs could leave behind on this machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
COUNTERS = re.compile(r"\[\d+:\d+\]")
# Comments, and of iptables the tables and chains that are there as soon as somebody looks at them.
NOTHING = re.compile(r"#|\*|COMMIT$|:\S+ ACCEPT ")


def traces(*, ignore: str = "(?!)") -> dict[str, set[str]]:
    """Mounts, network devices, routes, firewall rules and cgroups, without the lines that match `ignore`."""
    found = {
        "mounts": _lines("cat", "/proc/self/mounts"),
        "devices": {path.name for path in Path("/sys/class/net").iterdir()},
        "routes": _lines("ip", "route", "show", "table", "all"),
        "iptables": _lines("iptables-save") | _lines("ip6tables-save"),
        "cgroups": {str(path) for depth in ("*", "*/*", "*/*/*") for path in CGROUPS.glob(depth) if path.is_dir()},
    }
    return {kind: {line for line in lines if not re.search(ignore, line)} for kind, lines in found.items()}


def left_behind(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, set[str]]:
    """What is there now and was not before; empty where all is as it was."""
    return {kind: new for kind, lines in after.items() if (new := lines - before[kind])}


def _lines(*command: str) -> set[str]:
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {COUNTERS.sub("", line) for line in output.splitlines() if not NOTHING.match(line)}
