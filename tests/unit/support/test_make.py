"""A moment of one run, found again in another that is faster or slower."""

from __future__ import annotations

import pytest

from tests.support.make import Moment, moment

TIMES = (0.0, 2.0, 10.0, 12.0)  # three steps, and the end


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0, Moment(0, 0)), (0.125, Moment(0, 1.5)), (0.5, Moment(1, 4)), (0.875, Moment(2, 0.5)), (1, Moment(3, 0))],
)
def test_moment(share: float, expected: Moment) -> None:
    assert moment(TIMES, share) == expected


@pytest.mark.parametrize(
    ("times", "now", "expected"),
    [
        ((0.0,), 9, False),
        ((0.0, 1.0), 4.9, False),
        ((0.0, 1.0), 5, True),
        ((0.0, 1.0, 2.0), 2.1, True),
    ],
    ids=["not begun", "too early", "now", "step over already"],
)
def test_is_past(times: tuple[float, ...], now: float, expected: bool) -> None:
    assert Moment(1, 4).is_past(times, now) is expected
