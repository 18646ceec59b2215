"""So that a measurement does not pay for what runs beside it, or came before it."""

from __future__ import annotations

import contextlib
import fcntl
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.paths import CACHE
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOW = 0.5
IDLE = 0.5
LOCK = CACHE / "tests" / "machine.lock"


@contextlib.contextmanager
def machine(*, alone: bool) -> Iterator[None]:
    """Have this machine, with others or alone: who measures waits until they have let go, and they until he has."""
    kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for whoever has this machine ({LOCK})", flush=True)
            fcntl.flock(lock, kind)
        yield


def calm(*, within: float = 20) -> None:
    """Return when half of the cores' time is idle for half a second, or after `within` seconds.

    What runs at a lower priority counts as idle: it makes way for what is measured.
    """
    with contextlib.suppress(AssertionError):
        eventually(lambda: _idle_share() >= IDLE, within=within, what="a calm machine", every=0)


def _idle_share() -> float:
    before = _ticks()
    time.sleep(WINDOW)
    spent = [after - then for then, after in zip(before, _ticks(), strict=True)]
    _, nice, _, idle, iowait, *_ = spent
    return (nice + idle + iowait) / sum(spent)


def _ticks() -> list[int]:
    """The time of all cores: user, nice, system, idle, iowait, irq, softirq, steal; proc_stat(5)."""
    return [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
