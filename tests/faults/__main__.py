"""`python -m tests.faults FAULT`: do one fault once, say what it cost, and plot it. `help` lists the faults."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.faults.faults import FAULTS
from tests.faults.plot import plot
from tests.faults.redis_site import Site
from tests.faults.report import beyond
from tests.faults.run import run


def main() -> int:
    """Return the exit code: 1 where something was lost, or a bound was not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("fault", choices=["help", *FAULTS], metavar="FAULT")
    parser.add_argument("--acks", type=int, default=2000, help="how many writes are to be acknowledged [2000]")
    parser.add_argument("--plot", type=Path, help="where to write the timeline, an SVG")
    asked = parser.parse_args()
    if asked.fault == "help":
        print(*(f"{name:18} {fault.title}" for name, fault in FAULTS.items()), sep="\n")
        return 0
    fault = FAULTS[asked.fault]
    try:
        report = run(Site(), asked.fault, fault, acks=asked.acks)
    except AssertionError as error:
        print(error)
        return 1
    print(report.text())
    if asked.plot:
        plot(report, fault.title, asked.plot)
    problems = beyond([report], fault)
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
