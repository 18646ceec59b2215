"""Ten thousand random histories: no verdict is ever wrong, no wait is lost. Without any Kubernetes."""

from __future__ import annotations

import secrets
import time
from functools import partial
from typing import TYPE_CHECKING

from tests.support.histories import run

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "Drill histories: the engine's verdicts in random histories of a model"
HISTORIES, PARTS, MINUTES = 10_000, 10, 5


def steps() -> dict[str, Callable[[], str]]:
    """Parts of equal size, each with a seed of its own."""
    return {f"{number} of {PARTS}": partial(part, HISTORIES // PARTS) for number in range(1, PARTS + 1)}


def part(count: int) -> str:
    """Live through so many histories within their share of the minutes of one core; return by which seed."""
    seed = secrets.randbelow(1 << 32)
    began = time.process_time()  # other work on the machine is none of its business
    try:
        run(count, seed)
    except Exception as error:  # Hypothesis raises several at once as a group
        raise AssertionError(f"seed {seed}: {error}") from error
    seconds = time.process_time() - began
    assert seconds <= MINUTES * 60 / PARTS, f"{count} histories took {seconds:.0f} s"
    return f"{count} histories, seed {seed}, {seconds:.0f} s of one core, 0 wrong verdicts"
