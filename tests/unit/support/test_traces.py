"""What was left behind, and what a killed `make up` started."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.make import MARK, Processes
from tests.support.traces import left_behind
from tests.support.waiting import eventually

CHILD = "import subprocess, sys; subprocess.run(['sleep', '60'], env={})"


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ({"a", "b"}, {"a", "b"}, {}),
        ({"a", "b"}, {"a"}, {}),
        ({"a"}, {"a", "c"}, {"mounts": {"c"}}),
    ],
    ids=["same", "less", "more"],
)
def test_left_behind(before: set[str], after: set[str], left: dict[str, set[str]]) -> None:
    assert left_behind({"mounts": before}, {"mounts": after}) == left


def test_processes_of_a_run_are_known_by_mark_and_descent() -> None:
    processes = Processes("a mark of this test")
    with subprocess.Popen([sys.executable, "-c", CHILD], env={MARK: processes.mark}) as process:
        try:
            eventually(lambda: len(processes.alive()) == 2, within=5, what="parent and child")
            assert "sleep 60" in processes.alive().values()
        finally:
            processes.kill()
    assert (process.returncode, processes.alive()) == (-9, {})
