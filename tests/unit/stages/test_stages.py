"""The stages of `make test`: what counts as failed, and what is said in the end."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.stages import CHECKOUT, Case, Result, Stage, cases, judge, run, stages, summary

if TYPE_CHECKING:
    from pathlib import Path

STAGE = Stage(name="unit", target="unit", minutes=1)
GOOD = Case("a::good", "passed", 0.1)
BAD = Case("a::bad", "failed", 7.0)


def test_every_stage_is_a_target_and_needs_earlier_ones() -> None:
    table = stages(CHECKOUT / "tests" / "stages.toml")
    assert [stage.name for stage in table] == ["tools", "unit", "bundle", "integration", "packaging", "live"]
    earlier: set[str] = set()
    for stage in table:
        assert set(stage.needs) <= earlier
        earlier.add(stage.name)
        assert (
            subprocess.run(["make", "-n", stage.target], cwd=CHECKOUT, capture_output=True, check=False).returncode == 0
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

    outcomes = {case.name: case.outcome for case in cases(report.read_text())}

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


def test_a_stage_that_needs_a_failed_one_is_not_run() -> None:
    broken = {"bundle": Result(STAGE, faults=("make bundle ended with 2",))}
    result = run(Stage("live", "no-such-target", 1, needs=("bundle",)), broken)
    assert result.faults == ("cannot run without bundle",)


def test_summary_names_what_failed_and_what_was_slow_and_ends_with_the_sums() -> None:
    results = [
        Result(STAGE, 1.5, (GOOD, BAD)),
        Result(Stage("live", "molecule", 9), 0.2, (GOOD,), ("make molecule ended with 2",)),
    ]
    assert summary(results).splitlines() == [
        "",
        "stage        minutes budget passed failed skipped",
        "unit             1.5      1      1      1       0",
        "  FAILED: a::bad",
        "  WARNING: over its budget",
        "     7.0 s  a::bad",
        "live             0.2      9      1      1       0",
        "  FAILED: make molecule ended with 2",
        "",
        "2 passed, 2 failed",
    ]
