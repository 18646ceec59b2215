"""What follows from how soon clusters are noticed."""

from __future__ import annotations

import pytest

from tests.bench.detection import Lag, too_late


@pytest.mark.parametrize(
    ("seen", "complaints"),
    [
        ([Lag(0.1, 0.5)] * 20, []),
        ([Lag(0.1, 0.5)] * 19 + [Lag(9, 9)], []),
        ([Lag(0.1, 0.5)] * 18 + [Lag(9, 8)] * 2, ["detected 9.00 s", "ended 8.00 s"]),
        ([Lag(0.3, 0.5)] * 20, ["detected 0.30 s after an independent watcher (p95), more than 0.2 s"]),
    ],
    ids=["in time", "one of twenty", "two of twenty", "all late"],
)
def test_too_late(seen: list[Lag], complaints: list[str]) -> None:
    found = too_late(seen)
    assert len(found) == len(complaints)
    assert all(line.startswith(start) for line, start in zip(found, complaints, strict=True))
