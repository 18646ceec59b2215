"""The driver killed in mid-call again and again while it soaks the worker on the VMs of `make up`.

SLIPWAY_SOAK_SECONDS is for how long, 900 unless given; the seed's 10 hours are 36000.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.kubernetes import Kubernetes
from tests.support.worker_live import Soak, left_over, memory, ready

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = float(os.environ.get("SLIPWAY_SOAK_SECONDS", "900"))
EVERY = 20.0
WARM_UP = 180.0
GROWTH = 0.05
TITLE = (
    f"Drill soak: the driver killed by SIGKILL every {EVERY:g} s, the worker's memory flat after {WARM_UP / 60:g} min"
)


def steps() -> dict[str, Callable[[], str]]:
    """One step: what is measured is what becomes of the memory over the whole time."""
    return {f"{SECONDS:g} s": soaked}


def soaked() -> str:
    """Kill and start again until the time is over; return what was done, and the memory of each worker."""
    kubernetes = Kubernetes()
    assert len(ready(kubernetes)) > 1, "the workers are not ready"
    assert not (old := left_over(kubernetes)), f"delete what an earlier soak has left: {', '.join(old)}"
    began = time.monotonic()
    before: dict[str, float] = {}
    mid_call = 0
    with tempfile.TemporaryDirectory() as home:
        soak = Soak(kubernetes, Path(home))
        try:
            while (left := SECONDS - (time.monotonic() - began)) > EVERY:
                soak.start(left)
                time.sleep(EVERY)
                assert soak.process
                assert soak.process.poll() is None, soak.output[-4000:]
                soak.kill()
                mid_call += soak.in_flight() > 0
                if not before and time.monotonic() - began >= min(WARM_UP, SECONDS / 5):
                    before = memory(kubernetes)
            soak.start(EVERY)
            soak.finish(within=EVERY + 240)
        finally:
            soak.kill()
        created = soak.total("create")
    after = memory(kubernetes)
    assert before.keys() == after.keys(), "a worker was replaced meanwhile"
    grown = {uid: after[uid] / before[uid] - 1 for uid in before}
    told = ", ".join(f"{before[uid]:.1f} to {after[uid]:.1f} MiB" for uid in before)
    assert max(grown.values()) <= GROWTH, f"memory grew: {told}"
    return f"killed {mid_call} times in mid-call; {created} clusters made, all answers right; memory {told}"
