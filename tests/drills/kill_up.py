"""`make up` and everything it started killed at moments spread over its run; the next `make up` must end well."""

from __future__ import annotations

import random
import secrets
from functools import partial
from typing import TYPE_CHECKING

from tests.support.kubernetes import succeed
from tests.support.make import Make

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "Drill kill-up: make up killed by SIGKILL, then run again"
MOMENTS = 10


def steps() -> dict[str, Callable[[], str]]:
    """A whole run to know its duration, then one step for each tenth of it."""
    moments = {f"{number} of {MOMENTS}": partial(killed_in_tenth, number) for number in range(1, MOMENTS + 1)}
    return {"undisturbed": undisturbed, **moments}


def undisturbed() -> str:
    """Run from nothing to the end."""
    make = Make("k")
    succeed(make.down())
    whole = succeed(make.up())
    succeed(make.down())
    return f"took {whole.seconds:.0f} s"


def killed_in_tenth(number: int) -> str:
    """Kill within this part of the run, bring it up again; return what happened."""
    make = Make("k")
    succeed(make.down())
    seed = secrets.randbelow(1 << 32)
    share = (number - 1 + random.Random(seed).random()) / MOMENTS
    killed = make.up_killed_at(share)
    again = succeed(make.up())
    succeed(make.down())
    return f"{killed}; up again in {again.seconds:.0f} s"
