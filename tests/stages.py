"""`make test`: the stages of stages.toml in turn, with their minutes, their slow tests and one closing line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tomllib
import typing as t
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

CHECKOUT = Path(__file__).resolve().parents[1]
REPORTS = CHECKOUT / "build" / "reports"
SLOW_SECONDS = 5.0


@dataclass(frozen=True)
class Stage:
    """A row of stages.toml."""

    name: str
    target: str
    minutes: float
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One test, as a stage reported it: it passed, failed or was skipped."""

    name: str
    outcome: t.Literal["passed", "failed", "skipped"]
    seconds: float


@dataclass(frozen=True)
class Result:
    """How a stage ended. A fault fails it as a whole, beside the tests that failed."""

    stage: Stage
    minutes: float = 0.0
    cases: tuple[Case, ...] = ()
    faults: tuple[str, ...] = ()

    def count(self, outcome: str) -> int:
        """Count the tests that ended so, a fault as one that failed."""
        return sum(case.outcome == outcome for case in self.cases) + (outcome == "failed" and bool(self.faults))


def stages(table: Path) -> list[Stage]:
    """Read the table. Raises TypeError for a key that no stage has."""
    rows = tomllib.loads(table.read_text(encoding="utf-8"))
    return [Stage(name=name, **{**row, "needs": tuple(row.get("needs", ()))}) for name, row in rows.items()]


def cases(junit: str) -> tuple[Case, ...]:
    """Read the tests of a report in JUnit's XML."""
    outcomes: dict[str, t.Literal["failed", "skipped"]] = {"failure": "failed", "error": "failed", "skipped": "skipped"}
    return tuple(
        Case(
            name=f"{case.get('classname')}::{case.get('name')}",
            outcome=next((outcomes[child.tag] for child in case if child.tag in outcomes), "passed"),
            seconds=float(case.get("time", 0)),
        )
        for case in ET.fromstring(junit).iter("testcase")
    )


def judge(stage: Stage, *, code: int, minutes: float, found: tuple[Case, ...]) -> Result:
    """Find what is wrong with a stage beside its tests: how it ended, and the time it took."""
    ended_badly = code != 0 and all(case.outcome != "failed" for case in found)
    faults = {
        f"make {stage.target} ended with {code}": ended_badly,
        f"{minutes:.1f} minutes are more than twice its {stage.minutes:g}": minutes > 2 * stage.minutes,
    }
    return Result(stage, minutes, found, tuple(fault for fault, is_so in faults.items() if is_so))


def run(stage: Stage, results: dict[str, Result]) -> Result:
    """Run a stage to its end, unless one that it needs has failed."""
    if missing := [name for name in stage.needs if results[name].count("failed")]:
        return Result(stage, faults=(f"cannot run without {', '.join(missing)}",))
    print(f"\n=== {stage.name}: make {stage.target}", flush=True)
    began = time.monotonic()
    environment = {**os.environ, "SLIPWAY_JUNIT": str(REPORTS / f"{stage.name}.xml")}
    code = subprocess.run(["make", stage.target], cwd=CHECKOUT, env=environment, check=False).returncode
    reports = sorted(REPORTS.glob(f"{stage.name}*.xml"))
    found = tuple(case for report in reports for case in cases(report.read_text(encoding="utf-8")))
    return judge(stage, code=code, minutes=(time.monotonic() - began) / 60, found=found)


def summary(results: t.Sequence[Result]) -> str:
    """Return a line a stage, what was wrong with it, its slow and failed tests, and as the last line the sums."""
    lines = [f"\n{'stage':<12} {'minutes':>7} {'budget':>6} {'passed':>6} {'failed':>6} {'skipped':>7}"]
    for result in results:
        counts = [result.count(outcome) for outcome in ("passed", "failed", "skipped")]
        row = "{:<12} {:7.1f} {:6g} {:6} {:6} {:7}".format(
            result.stage.name, result.minutes, result.stage.minutes, *counts
        )
        lines.append(row)
        lines += [f"  FAILED: {fault}" for fault in result.faults]
        lines += [f"  FAILED: {case.name}" for case in result.cases if case.outcome == "failed"]
        if result.stage.minutes < result.minutes <= 2 * result.stage.minutes:
            lines.append("  WARNING: over its budget")
        slow = sorted((case for case in result.cases if case.seconds >= SLOW_SECONDS), key=lambda case: -case.seconds)
        lines += [f"  {case.seconds:6.1f} s  {case.name}" for case in slow]
    passed, failed = (sum(result.count(outcome) for result in results) for outcome in ("passed", "failed"))
    return "\n".join([*lines, "", f"{passed} passed, {failed} failed"])


def main() -> int:
    """Run every stage; the exit status is 0 only if tests ran and none failed."""
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    results: dict[str, Result] = {}
    for stage in stages(CHECKOUT / "tests" / "stages.toml"):
        results[stage.name] = run(stage, results)
    print(summary(list(results.values())))
    good = any(result.cases for result in results.values()) and not any(r.count("failed") for r in results.values())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
