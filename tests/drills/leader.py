"""The publisher that leads killed, or stopped until past its lease and continued, on the VMs of `make up`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.support.listing_live import LEADERLESS, Site, leader_killed, leader_stopped

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 5
TITLE = f"Drill leader: killed, or stopped and continued: published again within {LEADERLESS:g} s, no history lost"


def steps() -> dict[str, Callable[[], str]]:
    """Each in turns."""
    return {
        f"{what}, {number} of {RUNS}": partial(once, do)
        for number in range(1, RUNS + 1)
        for what, do in (("killed", leader_killed), ("stopped", leader_stopped))
    }


def once(do: Callable[[Site], str]) -> str:
    """Do it to the site of `make up`."""
    return do(Site())
