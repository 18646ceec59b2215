"""The page of a drill tells what is still to be done."""

from __future__ import annotations

import pytest

from tests.drills.results import FAILED, PASSED, Result, parse, render, still_to_do


def result(step: str, outcome: str) -> Result:
    return Result(step, outcome, "12", "0123abc", "2026-01-02", "killed after 3 s")


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ({}, ["a", "b", "c"]),
        ({"a": PASSED}, ["b", "c"]),
        ({"a": PASSED, "b": FAILED, "c": PASSED}, ["b"]),
        ({"a": PASSED, "b": PASSED, "c": PASSED}, ["a", "b", "c"]),
    ],
    ids=["first run", "interrupted", "failed", "complete"],
)
def test_still_to_do(outcomes: dict[str, str], expected: list[str]) -> None:
    assert still_to_do("abc", [result(step, outcome) for step, outcome in outcomes.items()]) == expected


def test_page_is_read_back() -> None:
    results = [result("1 of 2", PASSED), result("2 of 2", FAILED)]
    assert parse(render("Drill", results)) == results
