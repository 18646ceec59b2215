"""What follows from the rounds of the scale benchmark."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench.scale import Bounds, Round, broken, medians, page

GOOD = Round(clusters=500, streams=3, streams_of_one=3, memory=100, cpu=2, post=6, raw_post=5.5, added=0.1, seconds=10)


@pytest.mark.parametrize(
    ("result", "complaints"),
    [
        (GOOD, []),
        (replace(GOOD, streams=4), ["4 streams, 3 for one cluster"]),
        (replace(GOOD, memory=121), ["121 MiB, more than 120"]),
        (replace(GOOD, post=7), ["POST took 7.00 s, more than 1.2 times a raw client's 5.50 s"]),
        (replace(GOOD, added=1.5), ["the wait ended 1.50 s after the last cluster was ready, more than 1"]),
    ],
)
def test_broken(result: Round, complaints: list[str]) -> None:
    assert broken(result, Bounds()) == complaints


def test_medians() -> None:
    assert medians([GOOD, replace(GOOD, post=9), replace(GOOD, post=1)]) == GOOD


def test_page() -> None:
    text = page([GOOD], 1000, Bounds())
    assert "500 clusters of one pod each" in text
    assert "| POST phase | 6.00 s | 1.2 times a raw client's 5.50 s |" in text
