"""What follows from the times of a benchmark."""

from __future__ import annotations

import pytest

from tests.bench.measure import Sample, as_kubectl, medians, too_slow
from tests.bench.report import table


def samples(slipway: list[float], kubectl: list[float], command: float = 0.0) -> list[Sample]:
    rows = [("Slipway", slipway, command), ("kubectl", kubectl, 0.0)]
    return [
        Sample("20 clusters of 1 pod", "create", name, number, work, work + around)
        for name, times, around in rows
        for number, work in enumerate(times, start=1)
    ]


def test_medians() -> None:
    assert medians(samples([1, 9, 2], [4, 3, 5])) == {("20 clusters of 1 pod", "create"): {"Slipway": 2, "kubectl": 4}}


@pytest.mark.parametrize(
    ("slipway", "command", "complaints"),
    [
        ([2.3], 1.9, []),
        ([2.4], 1.9, ["20 clusters of 1 pod, create: 2.40 s, more than 1.15 times kubectl's 2.00 s"]),
        ([2.0], 2.1, ["20 clusters of 1 pod, create: the command took 4.10 s for 2.00 s of work"]),
    ],
)
def test_too_slow(slipway: list[float], command: float, complaints: list[str]) -> None:
    assert too_slow(samples(slipway, [2.0], command), bounds=as_kubectl(1.15)) == complaints


def test_table() -> None:
    assert table(samples([1.0], [2.0], command=0.5)) == (
        "| case | step | Slipway | kubectl | ratio to kubectl | ansible command |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| 20 clusters of 1 pod | create | 1.00 | 2.00 | 0.50 | 1.50 |"
    )


def test_whole_command() -> None:
    limits = {("20 clusters of 1 pod", "create"): 3.5}
    found = too_slow(samples([2.0], [2.0], command=1.6), bounds=(), commands=limits)
    assert found == ["20 clusters of 1 pod, create: the command took 3.60 s for 2.00 s of work"]
