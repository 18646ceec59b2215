"""`make test`: the stages of stages.toml, with their minutes, their slow tests and one closing line.

They run in turn, and so do those in the background beside them: what these say goes to a file, and is shown when the
others have ended.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.support.calm import machine

CHECKOUT = Path(__file__).resolve().parents[1]
SLOW_SECONDS = 5.0
LONG_LINE, MANY_LINES = 300, 8  # of what a test that failed said
TICK = 0.5
IDLE = ("chrt", "--idle", "0")
INTERRUPTED = 128 + signal.SIGINT  # as shells say it


@dataclass(frozen=True)
class Stage:
    """A row of stages.toml."""

    name: str
    target: str
    minutes: float
    needs: tuple[str, ...] = ()
    background: bool = False
    idle: bool = False

    @property
    def command(self) -> list[str]:
        """What runs it."""
        return [*(IDLE if self.idle else ()), "make", self.target]


@dataclass(frozen=True)
class Case:
    """One test, as a stage reported it: it passed, failed or was skipped."""

    name: str
    outcome: t.Literal["passed", "failed", "skipped"]
    seconds: float
    said: str = ""  # by one that failed


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
    found = []
    for case in ET.fromstring(junit).iter("testcase"):
        end = next((child for child in case if child.tag in outcomes), None)
        found.append(
            Case(
                name=f"{case.get('classname')}::{case.get('name')}",
                outcome="passed" if end is None else outcomes[end.tag],
                seconds=float(case.get("time", 0)),
                said="" if end is None else end.get("message", ""),
            )
        )
    return tuple(found)


def judge(stage: Stage, *, code: int, minutes: float, found: tuple[Case, ...]) -> Result:
    """Find what is wrong with a stage beside its tests: how it ended, and the time it took."""
    ended_badly = code != 0 and all(case.outcome != "failed" for case in found)
    faults = {
        f"make {stage.target} ended with {code}": ended_badly,
        f"{minutes:.1f} minutes are more than twice its {stage.minutes:g}": minutes > 2 * stage.minutes,
    }
    return Result(stage, minutes, found, tuple(fault for fault, is_so in faults.items() if is_so))


class Children:
    """The commands that run, each with all that it starts in a session of its own, so that all of it can be ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._no_more = False

    def run(self, command: t.Sequence[str], *, output: t.BinaryIO | None, **options: t.Any) -> int:
        """Run a command to its end, and return its exit code; after `end` it is not begun."""
        with self._lock:
            if self._no_more:
                return INTERRUPTED
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options
            )
            self._running.add(process)
        code = process.wait()
        with self._lock:
            self._running.discard(process)
        return code

    def end(self) -> None:
        """Interrupt all that runs, as Ctrl-C does, and wait until it has ended; interrupted meanwhile, kill it."""
        with self._lock:
            self._no_more = True
            running = set(self._running)
        try:
            print("\nInterrupted: waiting for what runs; once more, and it is killed", flush=True)
            _signal(running, signal.SIGINT)
            for process in running:
                process.wait()
        except KeyboardInterrupt:
            _signal(running, signal.SIGKILL)
            raise


def _signal(processes: t.Iterable[subprocess.Popen[bytes]], number: int) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


@dataclass(frozen=True)
class Run:
    """One run of `make test`: what has come of its stages so far."""

    checkout: Path
    children: Children
    results: dict[str, Result]

    @property
    def reports(self) -> Path:
        """Where stages leave what they report and, those in the background, what they say."""
        return self.checkout / "build" / "reports"

    def log(self, stage: Stage) -> Path:
        """What a stage in the background says."""
        return self.reports / f"{stage.name}.log"

    def stages(self, table: t.Iterable[Stage]) -> None:
        """Run them all."""
        behind: dict[Stage, Future[None]] = {}
        with ThreadPoolExecutor(1) as pool:
            try:
                with machine(alone=False):
                    for stage in table:
                        where = f", in the background: {self.log(stage)}" if stage.background else ""
                        print(f"\n=== {stage.name}: make {stage.target}{where}", flush=True)
                        if stage.background:
                            self.log(stage).touch()
                            behind[stage] = pool.submit(self.stage, stage)
                        else:
                            self.stage(stage)
                for stage, ended in behind.items():
                    print(f"\n=== {stage.name}, from its beginning", flush=True)
                    follow(self.log(stage), ended)
            except BaseException:
                self.children.end()
                raise

    def stage(self, stage: Stage) -> None:
        """Run a stage to its end, unless one that it needs has failed."""
        if missing := [name for name in stage.needs if self.results[name].count("failed")]:
            self.results[stage.name] = Result(stage, faults=(f"cannot run without {', '.join(missing)}",))
            return
        began = time.monotonic()
        env = {**os.environ, "SLIPWAY_JUNIT": str(self.reports / f"{stage.name}.xml")}
        with self.log(stage).open("wb") if stage.background else contextlib.nullcontext() as output:
            code = self.children.run(stage.command, output=output, cwd=self.checkout, env=env)
        reports = sorted(self.reports.glob(f"{stage.name}*.xml"))
        found = tuple(case for report in reports for case in cases(report.read_text(encoding="utf-8")))
        self.results[stage.name] = judge(stage, code=code, minutes=(time.monotonic() - began) / 60, found=found)


def follow(log: Path, ended: Future[None]) -> None:
    """Show what a stage has said and goes on saying, until it has ended. Raises what it raised."""
    with log.open("rb") as said:
        over = False
        while not over:
            over = ended.done()
            sys.stdout.buffer.write(said.read())
            sys.stdout.flush()
            wait([ended], timeout=TICK)
    ended.result()


def summary(results: t.Sequence[Result]) -> str:
    """Return a line a stage with its slow tests, then what failed and why, and as the last line the sums."""
    lines = [f"\n{'stage':<12} {'minutes':>7} {'budget':>6} {'passed':>6} {'failed':>6} {'skipped':>7}"]
    for result in results:
        counts = [result.count(outcome) for outcome in ("passed", "failed", "skipped")]
        row = "{:<12} {:7.1f} {:6g} {:6} {:6} {:7}".format(
            result.stage.name, result.minutes, result.stage.minutes, *counts
        )
        lines.append(row)
        if result.stage.minutes < result.minutes <= 2 * result.stage.minutes:
            lines.append("  WARNING: over its budget")
        slow = sorted((case for case in result.cases if case.seconds >= SLOW_SECONDS), key=lambda case: -case.seconds)
        lines += [f"  {case.seconds:6.1f} s  {case.name}" for case in slow]
    for result in results:
        lines += [f"\nFAILED in {result.stage.name}: {fault}" for fault in result.faults]
        for case in result.cases:
            if case.outcome == "failed":
                lines.append(f"\nFAILED in {result.stage.name}: {case.name}")
                lines += [f"  {line[:LONG_LINE]}" for line in case.said.splitlines()[:MANY_LINES]]
    passed, failed = (sum(result.count(outcome) for result in results) for outcome in ("passed", "failed"))
    return "\n".join([*lines, "", f"{passed} passed, {failed} failed"])


def main(checkout: Path = CHECKOUT) -> int:
    """Run every stage; the exit status is 0 only if tests ran and none failed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if (
            number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN
        ):  # what is ignored, children ignore too
            signal.signal(number, signal.default_int_handler)
    table = stages(checkout / "tests" / "stages.toml")
    run = Run(checkout, Children(), {})
    shutil.rmtree(run.reports, ignore_errors=True)
    run.reports.mkdir(parents=True)
    try:
        run.stages(table)
    except KeyboardInterrupt:
        return INTERRUPTED
    results = [run.results[stage.name] for stage in table]
    print(summary(results))
    good = any(result.cases for result in results) and not any(result.count("failed") for result in results)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
