"""What was seen of a load, second by second. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from tests.support.listing import p95

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.listing import Read, Request, State


@dataclass(frozen=True)
class Sample:
    """One second: requests begun in it and their seconds, 0 where there were none; pods ready and listed at its end."""

    second: int
    requests: int
    median: float
    p95: float
    pods: int
    listed: int


@dataclass(frozen=True)
class Story:
    """A whole run; `loaded` are the seconds in which requests were sent."""

    samples: list[Sample]
    loaded: float
    requests: int
    failed: int


def at(
    second: int, began: float, requests: Sequence[Request], states: Sequence[State], reads: Sequence[Read]
) -> Sample:
    """The sample of a second since `began`."""
    start, end = began + second, began + second + 1
    took = [each.seconds for each in list(requests) if start <= each.began < end]
    before = bisect_right([state.at for state in states], end)
    shown = bisect_right([read.ended for read in reads], end)
    return Sample(
        second,
        len(took),
        round(median(took), 4) if took else 0.0,
        round(p95(took), 4) if took else 0.0,
        len(states[before - 1].endpoints) if before else 0,
        len(reads[shown - 1].endpoints) if shown else 0,
    )


def faults(story: Story, least: int) -> list[str]:
    """What is wrong with a run that began with so many pods; the listing may be a second and a half behind the pods."""
    most = max((sample.pods for sample in story.samples), default=0)
    pairs = zip(story.samples, story.samples[1:], story.samples[2:], strict=False)
    behind = [
        last.second
        for first, middle, last in pairs
        if first.pods == middle.pods == last.pods and last.listed != last.pods
    ]
    rules = [
        (story.failed == 0, f"{story.failed} of {story.requests} requests failed"),
        (most > least, f"the pool never grew beyond {least} pods"),
        (not behind, f"the listing was behind the pods in the seconds {behind}"),
        (bool(story.samples) and story.samples[-1].pods == least, f"the pool is not back at {least} pods"),
    ]
    return [text for holds, text in rules if not holds]
