"""The causes that must be told within 15 s, provoked again and again on the VMs of `make up`."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.causes import SOON, fast_rows, places, provoke, wrong
from tests.support.kubernetes import Kubernetes

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = f"Drill causes: image not found, missing config map, quota, admission denial told within {SOON:g} s"
RUNS = 20


def steps() -> dict[str, Callable[[], str]]:
    """One step for each run."""
    return {f"{number} of {RUNS}": partial(told_in_time) for number in range(1, RUNS + 1)}


def told_in_time() -> str:
    """Provoke all of them; return when each was told."""
    kubernetes = Kubernetes()
    with tempfile.TemporaryDirectory() as home, places(kubernetes, Path(home)) as trouble:
        provoked = fast_rows(trouble)
        answers = provoke(kubernetes, trouble, provoked, timeout=60)
    faults = [fault for row in provoked if (fault := wrong(row, answers[row.name]))]
    assert not faults, "; ".join(faults)
    return ", ".join(f"{row.code} {answers[row.name].seconds:.1f} s" for row in provoked)
