"""Judges histories against what is stored in the end. Pure and exact: nothing is estimated, nothing forgiven.

Of the writers of Redis each number is in a list of its own, so what is lost, doubled, or stored though refused is
known by name. Of the counter only counts are known: that each acknowledged key answers its count once more says what is
stored, the count in all whether anything was counted twice.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.faults.history import INFO, NO, OK, Event, History, Op, acked, by_writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

GOING_ON = 1.0  # seconds between two writes that a node accepted for which it is taken to have accepted all the while

Name = tuple[str, int, int]  # client, writer, number


@dataclass
class Verdict:
    """What became of the writes of some clients.

    ``lost``: acknowledged, not stored. ``doubled``: stored more than once. ``backwards``: acknowledged with a value
    that is not above one told before. ``denied``: refused for sure, yet stored. ``unknown``: stored, but sent by
    nobody. ``stale``: reads of less than had been told before, which is not wrong: Redis promises nothing else.
    """

    acked: int = 0
    unsure: int = 0
    refused: int = 0
    lost: list[Name] = field(default_factory=list)
    doubled: list[Name] = field(default_factory=list)
    backwards: list[Name] = field(default_factory=list)
    denied: list[Name] = field(default_factory=list)
    unknown: list[Name] = field(default_factory=list)
    stale: list[Name] = field(default_factory=list)
    surplus: int = 0  # counts that no key accounts for; of the counter only

    @property
    def wrong(self) -> dict[str, int]:
        """What must not be and is, and how often."""
        names = ("lost", "doubled", "backwards", "denied", "unknown")
        counts = {name: len(getattr(self, name)) for name in names} | {"surplus": self.surplus}
        return {name: count for name, count in counts.items() if count}


class Gap(NamedTuple):
    """A time without an acknowledged write."""

    began: float
    seconds: float


def judge_lists(history: History, stored: Mapping[tuple[str, int], Sequence[int]]) -> Verdict:
    """Judge writers of Redis by the lists of numbers that it has of each of them in the end."""
    written = by_writer(history.ops)
    verdict = _counted(history.ops)
    for writer in sorted(written.keys() | stored.keys()):
        ops, numbers = written.get(writer, []), stored.get(writer, [])
        times = Counter(numbers)
        sent = {op.number: op for op in ops}
        verdict.lost.extend((*writer, op.number) for op in ops if op.outcome == OK and op.number not in times)
        verdict.denied.extend((*writer, op.number) for op in ops if op.outcome == NO and op.number in times)
        verdict.doubled.extend((*writer, number) for number, count in times.items() if count > 1)
        verdict.unknown.extend((*writer, number) for number in times if number not in sent)
        verdict.backwards.extend((*writer, number) for number in _out_of_order(ops, numbers))
    _judge_order(verdict, history, alone=True)
    return verdict


def judge_counts(history: History, first: int, last: int, replayed: Mapping[Name, int]) -> Verdict:
    """Judge writers of the counter, who were the only ones meanwhile, and sent each key until it was answered.

    ``first`` and ``last`` are the counts before and after, ``replayed`` what each acknowledged key answered after that.
    """
    verdict = _counted(history.ops)
    good = [op for op in history.ops if op.outcome == OK]
    verdict.lost.extend(op[:3] for op in good if replayed.get(op[:3]) != op.value)
    counts = Counter(op.value for op in good)
    verdict.doubled.extend(op[:3] for op in good if counts[op.value] > 1)
    verdict.unknown.extend(op[:3] for op in good if not first < op.value <= last)
    _judge_order(verdict, history, alone=False)
    verdict.surplus = max(0, last - first - len(history.ops))
    return verdict


def _judge_order(verdict: Verdict, history: History, *, alone: bool) -> None:
    for name in went_back(history, alone=alone):
        (verdict.backwards if name[2] else verdict.stale).append(name)


def _counted(ops: Iterable[Op]) -> Verdict:
    outcomes = Counter(op.outcome for op in ops)
    return Verdict(acked=outcomes[OK], unsure=outcomes[INFO], refused=outcomes[NO])


def _out_of_order(ops: Iterable[Op], numbers: Sequence[int]) -> list[int]:
    """Acknowledged numbers that are stored before one that had been acknowledged before they were sent."""
    good = {op.number for op in ops if op.outcome == OK}
    kept = [number for number in dict.fromkeys(numbers) if number in good]
    highest = itertools.accumulate(kept, max)
    return [number for number, most in zip(kept, highest, strict=True) if number < most]


def went_back(history: History, *, alone: bool) -> list[Name]:
    """Those who were told a value that is not above all that had been told before they asked.

    A read may be told the same, a write may not. ``alone``: each writer counts for itself, else all count together.
    A read has the number 0.
    """
    told: list[tuple[float, float, int, int, Name]] = [
        *((op.began, op.ended, op.value, 1, op[:3]) for op in history.ops if op.outcome == OK),
        *((read.began, read.ended, read.value, 0, (read.client, read.writer, 0)) for read in history.reads),
    ]
    groups: dict[object, list[tuple[float, float, int, int, Name]]] = {}
    for each in told:
        groups.setdefault(each[4][:2] if alone else None, []).append(each)
    return [name for group in groups.values() for name in _went_back(group)]


def _went_back(told: Sequence[tuple[float, float, int, int, Name]]) -> list[Name]:
    ended = sorted(told, key=lambda each: each[1])
    ends = [each[1] for each in ended]
    highest = list(itertools.accumulate((each[2] for each in ended), max))
    found = []
    for began, _end, value, more, name in told:
        before = bisect_left(ends, began)
        if before and value < highest[before - 1] + more:
            found.append(name)
    return found


def outage(ops: Iterable[Op], began: float, ended: float) -> Gap:
    """The longest time without an acknowledged write between two moments."""
    times = [op.ended for op in acked(ops) if began <= op.ended <= ended]
    edges = [began, *times, ended]
    gaps = [Gap(before, after - before) for before, after in itertools.pairwise(edges)]
    return max(gaps, key=lambda gap: gap.seconds)


def rate(ops: Iterable[Op], going_on: float = GOING_ON) -> float:
    """Acknowledged writes a second, longer times without any left out."""
    steps = [after.ended - before.ended for before, after in itertools.pairwise(acked(ops))]
    short = [step for step in steps if step <= going_on]
    return len(short) / max(sum(short), 1e-9) if short else 0.0


def accepting(ops: Iterable[Op], going_on: float = GOING_ON) -> list[tuple[float, float]]:
    """When a node accepted writes: from the first it was sent to the last it answered of those that follow closely."""
    found: list[tuple[float, float]] = []
    for op in acked(ops):
        if found and op.began - found[-1][1] <= going_on:
            found[-1] = (found[-1][0], max(found[-1][1], op.ended))
        else:
            found.append((op.began, op.ended))
    return found


def together(spans: Iterable[Iterable[tuple[float, float]]]) -> float:
    """Seconds in which more than one of several were at it, each in spans that do not overlap."""
    edges = sorted(edge for each in spans for began, ended in each for edge in ((began, 1), (ended, -1)))
    total, at_it, since = 0.0, 0, -math.inf
    for at, step in edges:
        if at_it > 1:
            total += at - since
        at_it, since = at_it + step, at
    return total


def failover(history: History, since: float, master_name: str) -> float | None:
    """Seconds from the first Sentinel that missed the master to the first that named another; None: no such thing."""
    events = [event for event in history.events if event.at >= since]
    down = [e.at for e in events if e.channel == "+sdown" and e.text.startswith(f"master {master_name} ")]
    moved = [e.at for e in events if _moves(e, master_name)]
    return min(moved) - min(down) if moved and down and min(down) < min(moved) else None


def switches(history: History, since: float, master_name: str) -> int:
    """How often the master moved, by the Sentinel that told of most moves."""
    told = Counter(e.sentinel for e in history.events if e.at >= since and _moves(e, master_name))
    return max(told.values(), default=0)


def _moves(event: Event, master_name: str) -> bool:
    return event.channel == "+switch-master" and event.text.startswith(f"{master_name} ")
