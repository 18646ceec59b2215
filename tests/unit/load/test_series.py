"""What is seen of a load, and what is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.load.plot import plot
from tests.load.series import Sample, Story, at, faults
from tests.support.listing import Endpoint, Read, Request, State

if TYPE_CHECKING:
    from pathlib import Path

PODS = [
    frozenset(Endpoint(f"10.0.0.{number}", f"pod-{number}", "node1") for number in range(count)) for count in range(9)
]
SIZES = (2, 2, 3, 3, 3, 2, 2, 2)
STORY = Story([Sample(second, 9, 0.001, 0.002, size, size) for second, size in enumerate(SIZES)], 4.0, 72, 0)


def with_sample(second: int, **values: int) -> Story:
    samples = list(STORY.samples)
    samples[second] = replace(samples[second], **values)
    return replace(STORY, samples=samples)


def test_a_second() -> None:
    requests = [Request(began, seconds, "200") for began, seconds in ((10.9, 0.1), (11, 0.1), (11.5, 0.3), (12, 9))]
    states = [State(0, 1, PODS[2]), State(11.8, 2, PODS[3]), State(12.1, 3, PODS[4])]
    reads = [Read(11, 11.1, 1, PODS[2]), Read(12, 12.1, 2, PODS[3])]
    assert at(1, 10, requests, states, reads) == Sample(1, 2, 0.2, 0.3, 3, 2)
    assert at(9, 10, [], [], []) == Sample(9, 0, 0.0, 0.0, 0, 0)


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (STORY, []),
        (with_sample(2, listed=2), []),  # it may be a little late
        (with_sample(4, listed=2), ["the listing was behind the pods in the seconds [4]"]),
        (replace(STORY, failed=1), ["1 of 72 requests failed"]),
        (replace(STORY, samples=STORY.samples[:2]), ["the pool never grew beyond 2 pods"]),
        (replace(STORY, samples=STORY.samples[:5]), ["the pool is not back at 2 pods"]),
    ],
)
def test_faults(story: Story, expected: list[str]) -> None:
    assert faults(story, 2) == expected


def test_plot_follows_from_the_samples(tmp_path: Path) -> None:
    first, second = tmp_path / "1.svg", tmp_path / "2.svg"
    for path in (first, second):
        plot(STORY, path)
    assert first.read_bytes() == second.read_bytes()
    assert "pods listed" in first.read_text()
