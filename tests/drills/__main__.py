"""`python -m tests.drills NAME`: run what is still to be done of a drill; its results go to docs/results/NAME.md.

A name may be a pattern, such as redis-*.
"""

from __future__ import annotations

import argparse
import sys
import time
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Protocol

from tests.drills import (
    argo,
    causes,
    histories,
    ingress,
    kill_up,
    leader,
    listing_freshness,
    nodes,
    redis,
    rollouts,
    scenario,
    soak,
    stores_down,
    worker_away,
    worker_kill,
)
from tests.drills.results import FAILED, PASSED, Result, parse, render, still_to_do
from tests.support.paths import RESULTS
from tests.support.record import commit, today

if TYPE_CHECKING:
    from collections.abc import Callable


class Drill(Protocol):
    """A module of a drill, or what is like one."""

    TITLE: str

    def steps(self) -> dict[str, Callable[[], str]]:
        """What it does, in this order; each returns what to note."""


DRILLS: dict[str, Drill] = {
    "kill-up": kill_up,
    "histories": histories,
    "causes": causes,
    "rollouts": rollouts,
    "argo": argo,
    "worker-away": worker_away,
    "worker-kill": worker_kill,
    "scenario": scenario,
    "soak": soak,
    "listing-freshness": listing_freshness,
    "stores-down": stores_down,
    "leader": leader,
    "nodes": nodes,
    "ingress": ingress,
    **redis.DRILLS,
}


def perform(step: str, action: Callable[[], str]) -> Result:
    """Run one step and tell what came of it."""
    began = time.monotonic()
    try:
        outcome, notes = PASSED, action()
    except AssertionError as error:
        print(error, file=sys.stderr)
        outcome, notes = FAILED, (str(error).strip() or repr(error)).splitlines()[-1]
    seconds = f"{time.monotonic() - began:.0f}"
    return Result(step, outcome, seconds, commit(), today(), notes.replace("|", "/"))


def main() -> int:
    """Return the exit code: 1 where a step failed, 2 for a drill that does not exist."""
    parser = argparse.ArgumentParser(usage="make drill ONLY=NAME", epilog=f"Drills: {', '.join(DRILLS)}")
    parser.add_argument("name", nargs="?", metavar="NAME")
    asked = parser.parse_args().name
    names = [name for name in DRILLS if fnmatch(name, asked or "")]
    if not names:
        parser.print_help()
        return 2
    return max([drilled(name) for name in names])


def drilled(name: str) -> int:
    """Run what is still to be done of a drill; return 1 where a step failed, else 0."""
    drill, page = DRILLS[name], RESULTS / f"{name}.md"
    steps = drill.steps()
    results = {result.step: result for result in parse(page.read_text() if page.exists() else "")}
    for step in still_to_do(steps, results.values()):
        results[step] = perform(step, steps[step])
        print(f"{name} {step}: {results[step].outcome}, {results[step].notes}", flush=True)
        RESULTS.mkdir(parents=True, exist_ok=True)
        page.write_text(render(drill.TITLE, (results[each] for each in steps if each in results)))
    return 0 if all(result.outcome == PASSED for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
