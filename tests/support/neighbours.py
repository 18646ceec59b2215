"""Which machine is behind an address, by this machine's table of neighbours."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NEIGHBOUR = re.compile(r"^(\S+) dev \S+ (?:\S+ )*?lladdr (\S+)")


def hardware_of(address: str) -> str:
    """The hardware address behind an address of a network of this machine."""
    with contextlib.suppress(OSError), socket.create_connection((address, 80), timeout=1):
        pass  # whether it is taken or refused: now it is known who answers
    found = known(address)
    assert found, f"nobody on the networks of this machine is {address}"
    return found[-1]


def known(address: str) -> list[str]:
    """The hardware address behind an address, as the table has it; none where it does not."""
    shown = subprocess.run(["ip", "neigh", "show", "to", address], capture_output=True, text=True, check=True)
    return moved(shown.stdout.splitlines(), address)


def moved(lines: Iterable[str], address: str) -> list[str]:
    """The hardware addresses behind `address`, each once in a row, from lines of `ip neigh` or `ip monitor neigh`."""
    matches = (NEIGHBOUR.match(line) for line in lines)
    found = [match[2] for match in matches if match and match[1] == address]
    return [hardware for hardware, _ in itertools.groupby(found)]


@contextlib.contextmanager
def led(address: str) -> Iterator[Callable[[str], None]]:
    """Lead what goes from this machine to an address to the hardware address that is called with, until it is left."""
    route = subprocess.run(["ip", "-json", "route", "get", address], capture_output=True, text=True, check=True)
    where = [address, "dev", json.loads(route.stdout)[0]["dev"]]

    def lead(hardware: str) -> None:
        subprocess.run(["ip", "neigh", "replace", *where, "lladdr", hardware, "nud", "permanent"], check=True)

    try:
        yield lead
    finally:
        subprocess.run(["ip", "neigh", "del", *where], check=False)


@contextlib.contextmanager
def ports_free_at_once() -> Iterator[None]:
    """Let this machine use the port of a connection that it closed again at once, not a minute later."""
    resting = Path("/proc/sys/net/ipv4/tcp_max_tw_buckets")
    before = resting.read_text()
    resting.write_text("0")
    try:
        yield
    finally:
        resting.write_text(before)
