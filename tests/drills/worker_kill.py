"""Workers killed at random on the VMs of `make up` while the driver soaks them: all answers right, nothing left."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.kubernetes import Kubernetes
from tests.support.worker_live import killed_at_random

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTES, PARTS = 10, 5
TITLE = f"Drill worker-kill: workers killed by SIGKILL at random for {MINUTES} minutes"


def steps() -> dict[str, Callable[[], str]]:
    """Parts of equal length, each with a seed of its own."""
    return {f"{number} of {PARTS}": killed for number in range(1, PARTS + 1)}


def killed() -> str:
    """Kill for its part of the minutes; return what was done."""
    with tempfile.TemporaryDirectory() as home:
        return killed_at_random(Kubernetes(), Path(home), seconds=60 * MINUTES / PARTS, seed=secrets.randbelow(1 << 32))
