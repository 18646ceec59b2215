"""Waits until this machine has little to do, so that a measurement does not pay for what came before it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from tests.support.waiting import eventually

WINDOW = 0.5
IDLE = 0.5


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
