"""The stages of `make test`: what counts as failed, and what is said in the end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.stages import CHECKOUT, IDLE, INTERRUPTED, Case, Children, Result, Run, Stage, cases, judge, stages, summary
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGE = Stage(name="unit", target="unit", minutes=1)
GOOD = Case("a::good", "passed", 0.1)
BAD = Case("a::bad", "failed", 7.0, "no such thing")


def test_every_stage_is_a_target_and_needs_earlier_ones() -> None:
    table = stages(CHECKOUT / "tests" / "stages.toml")
    order = ["bundle", "alone", "machines", "live", "tools", "unit", "integration", "packaging"]
    assert [stage.name for stage in table] == order
    ended: set[str] = set()
    for stage in table:
        assert set(stage.needs) <= ended
        if not stage.background:
            ended.add(stage.name)
        assert (
            subprocess.run(["make", "-n", stage.target], cwd=CHECKOUT, capture_output=True, check=False).returncode == 0
        )


def test_no_stage_takes_the_reports_of_another() -> None:
    names = [stage.name for stage in stages(CHECKOUT / "tests" / "stages.toml")]
    assert [(one, other) for one in names for other in names if one != other and other.startswith(one)] == []


def test_nothing_runs_beside_what_measures() -> None:
    table = {stage.name: stage.background for stage in stages(CHECKOUT / "tests" / "stages.toml")}
    names = list(table)
    assert not any(table[name] for name in names[: names.index("alone") + 1])
    assert table["live"], (
        "it would wait for itself: its suites begin when the stages that are not in the background end"
    )


def test_cases_are_read_from_the_report_of_pytest(tmp_path: Path) -> None:
    tests = tmp_path / "test_a.py"
    tests.write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert False\n"
        "@pytest.mark.skip\n"
        "def test_skipped(): pass\n"
        "@pytest.fixture\n"
        "def broken(): raise OSError\n"
        "def test_error(broken): pass\n"
    )
    report = tmp_path / "a.xml"
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), f"--junit-xml={report}", str(tests)]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    found = cases(report.read_text())

    assert {case.name: case.said for case in found if case.outcome == "failed"} == {
        "test_a::test_bad": "assert False",
        "test_a::test_error": 'failed on setup with "OSError"',
    }
    outcomes = {case.name: case.outcome for case in found}
    assert outcomes == {
        "test_a::test_good": "passed",
        "test_a::test_bad": "failed",
        "test_a::test_skipped": "skipped",
        "test_a::test_error": "failed",
    }


@pytest.mark.parametrize(
    ("code", "minutes", "found", "faults"),
    [
        (0, 0.5, (GOOD,), ()),
        (0, 1.5, (GOOD,), ()),
        (0, 2.1, (GOOD,), ("2.1 minutes are more than twice its 1",)),
        (1, 0.5, (GOOD, BAD), ()),
        (2, 0.5, (GOOD,), ("make unit ended with 2",)),
        (2, 3.0, (), ("make unit ended with 2", "3.0 minutes are more than twice its 1")),
    ],
)
def test_judge(code: int, minutes: float, found: tuple[Case, ...], faults: tuple[str, ...]) -> None:
    assert judge(STAGE, code=code, minutes=minutes, found=found) == Result(STAGE, minutes, found, faults)


def test_a_stage_that_needs_a_failed_one_is_not_run(tmp_path: Path) -> None:
    stage = Stage("live", "no-such-target", 1, needs=("bundle",))
    run = Run(tmp_path, Children(), {"bundle": Result(STAGE, faults=("make bundle ended with 2",))})
    run.stage(stage)
    assert run.results["live"].faults == ("cannot run without bundle",)


def test_an_idle_stage_has_the_time_that_nobody_wants() -> None:
    command = Stage("unit", "unit", 1, idle=True).command
    assert (command[: len(IDLE)], command[len(IDLE) :]) == (list(IDLE), STAGE.command)
    policy = "import os; print(os.sched_getscheduler(0) == os.SCHED_IDLE)"
    assert subprocess.check_output([*IDLE, sys.executable, "-c", policy], text=True).strip() == "True"


REPORT = '<testsuite><testcase classname="a" name="good" time="1"/></testsuite>'
TABLE = """
[first]
target = "first"
minutes = 1

[behind]
target = "behind"
minutes = 1
background = true

[last]
target = "last"
minutes = 1
background = true

[before]
target = "before"
minutes = 1
needs = ["first"]
"""


@contextlib.contextmanager
def a_run(place: Path, makefile: str) -> Iterator[subprocess.Popen[str]]:
    """A run of the stages of TABLE, with a cache of its own; what is left of it in the end is killed."""
    (place / "tests").mkdir()
    (place / "tests" / "stages.toml").write_text(TABLE)
    (place / "Makefile").write_text(f".SILENT:\n{makefile}")
    main = "import sys, pathlib; from tests.stages import main; sys.exit(main(pathlib.Path(sys.argv[1])))"
    foreign = ("MAKE", "MFLAGS", "SLIPWAY_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    env |= {"XDG_CACHE_HOME": str(place / "cache"), "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'collections'}"}
    with subprocess.Popen(
        [sys.executable, "-c", main, str(place)],
        cwd=CHECKOUT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def test_stages_in_the_background_run_beside_the_others_and_are_shown_after_them(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    makefile = (
        f"first:\n\techo '{REPORT}' >$$SLIPWAY_JUNIT\n"
        "behind:\n\techo behind begins; cat fifo; echo behind ends\n"
        "last:\n\techo last says no; false\n"
        "before:\n\techo this comes from before >fifo; echo before ends\n"
    )
    with a_run(tmp_path, makefile) as process:
        said, _ = process.communicate(timeout=60)
    lines = [line for line in said.splitlines() if line]
    logs = {name: tmp_path / "build" / "reports" / f"{name}.log" for name in ("behind", "last")}
    assert lines[: lines.index("FAILED in last: make last ended with 2")] == [
        "=== first: make first",
        f"=== behind: make behind, in the background: {logs['behind']}",
        f"=== last: make last, in the background: {logs['last']}",
        "=== before: make before",
        "before ends",
        "=== behind, from its beginning",
        "behind begins",
        "this comes from before",
        "behind ends",
        "=== last, from its beginning",
        "last says no",
        "make: *** [Makefile:7: last] Error 1",
        "stage        minutes budget passed failed skipped",
        "first            0.0      1      1      0       0",
        "behind           0.0      1      0      0       0",
        "last             0.0      1      0      1       0",
        "before           0.0      1      0      0       0",
    ]
    assert (process.returncode, lines[-1]) == (1, "1 passed, 1 failed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("trap", [":", "trap '' INT"], ids=["", "what does not listen"])
def test_an_interrupted_run_ends_all_that_runs_and_begins_nothing(tmp_path: Path, number: int, trap: str) -> None:
    makefile = (
        "first:\n"
        f"behind:\n\t{trap}; echo $$$$ >behind.pid; sleep 600; touch wrong\n"
        "last:\n\ttouch wrong\n"
        f"before:\n\t{trap}; echo $$$$ >before.pid; exec sleep 600\n"
    )
    pids = [tmp_path / "behind.pid", tmp_path / "before.pid"]
    with a_run(tmp_path, makefile) as process:
        assert process.stdout
        eventually(lambda: all(path.exists() and path.read_text() for path in pids), within=30, what="both run")
        process.send_signal(number)
        assert any("once more, and it is killed" in line for line in process.stdout)
        if "trap" in trap:
            process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, said
    left = [Path("/proc", path.read_text().strip()) for path in pids]
    eventually(lambda: not any(path.exists() for path in left), within=10, what="init has buried what was killed")
    assert not (tmp_path / "wrong").exists()


def test_summary_names_what_was_slow_and_what_failed_and_ends_with_the_sums() -> None:
    results = [
        Result(STAGE, 1.5, (GOOD, BAD)),
        Result(Stage("live", "molecule", 9), 0.2, (GOOD,), ("make molecule ended with 2",)),
    ]
    assert summary(results).splitlines() == [
        "",
        "stage        minutes budget passed failed skipped",
        "unit             1.5      1      1      1       0",
        "  WARNING: over its budget",
        "     7.0 s  a::bad",
        "live             0.2      9      1      1       0",
        "",
        "FAILED in unit: a::bad",
        "  no such thing",
        "",
        "FAILED in live: make molecule ended with 2",
        "",
        "2 passed, 2 failed",
    ]
