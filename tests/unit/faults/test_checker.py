"""The checker finds all that is lost, doubled or out of order, and nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.checker import (
    Verdict,
    accepting,
    failover,
    judge_counts,
    judge_lists,
    outage,
    rate,
    switches,
    together,
    went_back,
)
from tests.faults.history import INFO, NO, OK, Event, History, Op, Read, acked

WRITER = ("aware", 0)


def op(
    number: int, outcome: str = OK, value: int | None = None, *, began: float | None = None, took: float = 0.5
) -> Op:
    """The only writer's op of that number, one a second."""
    at = float(number) if began is None else began
    counted = number if value is None else value
    return Op(*WRITER, number, at, at + took, outcome, counted if outcome == OK else 0, "" if outcome == OK else "why")


def read(value: int, began: float, ended: float) -> Read:
    return Read(*WRITER, began, ended, value)


def found(verdict: Verdict) -> dict[str, object]:
    """What a verdict finds, by the numbers."""
    lists = ("lost", "doubled", "backwards", "denied", "unknown", "stale")
    names = {name: [each[2] for each in getattr(verdict, name)] for name in lists}
    return {name: numbers for name, numbers in names.items() if numbers}


@pytest.mark.parametrize(
    ("ops", "stored", "expected"),
    [
        ([], [], {}),
        ([op(1), op(2)], [1, 2], {}),
        ([op(1), op(2)], [1], {"lost": [2]}),
        ([op(1), op(2)], [2], {"lost": [1]}),
        ([op(1)], [1, 1], {"doubled": [1]}),
        ([op(1, INFO), op(2, INFO)], [1], {}),
        ([op(1, INFO)], [1, 1], {"doubled": [1]}),
        ([op(1, NO)], [], {}),
        ([op(1, NO)], [1], {"denied": [1]}),
        ([op(1)], [1, 7], {"unknown": [7]}),
        ([op(1), op(2)], [2, 1], {"backwards": [1]}),
        ([op(1, INFO), op(2)], [2, 1], {}),  # what nobody waited for may come late
        ([op(1, value=5), op(2, value=5)], [1, 2], {"backwards": [2]}),
        ([op(1, value=5), op(2, value=3)], [1, 2], {"backwards": [2]}),
        ([op(1, value=5), op(2, INFO), op(3, value=7)], [1, 2, 3], {}),
    ],
)
def test_lists(ops: list[Op], stored: list[int], expected: dict[str, list[int]]) -> None:
    verdict = judge_lists(History(ops), {WRITER: stored})
    assert found(verdict) == expected
    assert (verdict.acked, verdict.unsure, verdict.refused) == tuple(
        sum(each.outcome == outcome for each in ops) for outcome in (OK, INFO, NO)
    )


def test_lists_that_nobody_wrote() -> None:
    assert judge_lists(History(), {WRITER: [1]}).unknown == [(*WRITER, 1)]


def test_writer_without_a_list() -> None:
    assert judge_lists(History([op(1)]), {}).wrong == {"lost": 1}


@pytest.mark.parametrize(
    ("ops", "last", "again", "expected"),
    [
        ([op(1, value=11), op(2, value=12)], 12, {1: 11, 2: 12}, {}),
        ([op(1, value=11), op(2, INFO)], 12, {1: 11}, {}),
        ([op(1, value=11), op(2, INFO)], 11, {1: 11}, {}),
        ([op(1, value=11), op(2, value=12)], 11, {1: 11, 2: 13}, {"lost": [2], "unknown": [2]}),
        ([op(1, value=11)], 11, {}, {"lost": [1]}),
        ([op(1, value=11), op(2, value=11)], 11, {1: 11, 2: 11}, {"doubled": [1, 2], "backwards": [2]}),
        ([op(1, value=11)], 13, {1: 11}, {"surplus": 2}),
        ([op(1, value=10)], 11, {1: 10}, {"unknown": [1]}),
    ],
)
def test_counts(ops: list[Op], last: int, again: dict[int, int], expected: dict[str, object]) -> None:
    verdict = judge_counts(History(ops), 10, last, {(*WRITER, number): value for number, value in again.items()})
    surplus = {"surplus": verdict.surplus} if verdict.surplus else {}
    assert found(verdict) | surplus == expected


def test_counts_of_many_go_back_together() -> None:
    ops = [Op("counter", 0, 1, 1, 2, OK, 12), Op("counter", 1, 1, 3, 4, OK, 11)]
    assert went_back(History(ops), alone=False) == [("counter", 1, 1)]
    assert went_back(History(ops), alone=True) == []


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([read(1, 1.6, 1.7)], []),
        ([read(0, 1.6, 1.7)], [0]),
        ([read(0, 1.4, 1.7)], []),  # it began before the write was acknowledged
        ([read(5, 0.1, 0.2), read(4, 0.3, 0.4)], [0, 1]),  # the write too is told less than had been read
    ],
)
def test_reads(reads: list[Read], expected: list[int]) -> None:
    history = History([op(1)], reads)
    assert sorted(name[2] for name in went_back(history, alone=True)) == expected


# -- random histories ------------------------------------------------------------------------------------------------

FATES = ("kept", "lost", "doubled", "unsure, kept", "unsure, gone", "refused", "refused, kept")


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(FATES))))
def test_what_became_of_each_number_is_told_exactly(fates: list[tuple[int, str]]) -> None:
    outcomes = {"unsure": INFO, "refused": NO}
    ops: list[Op] = []
    stored: dict[tuple[str, int], list[int]] = {}
    for number, (writer, fate) in enumerate(fates, start=1):
        outcome = outcomes.get(fate.partition(",")[0], OK)
        ops.append(Op("aware", writer, number, number, number + 0.5, outcome, number if outcome == OK else 0))
        copies = 2 if fate == "doubled" else fate.endswith("kept")
        stored.setdefault(("aware", writer), []).extend([number] * copies)
    verdict = judge_lists(History(ops), stored)

    def of(fate: str) -> list[tuple[str, int, int]]:
        return sorted(("aware", w, number) for number, (w, its) in enumerate(fates, start=1) if its == fate)

    assert (verdict.lost, verdict.doubled, verdict.denied) == (of("lost"), of("doubled"), of("refused, kept"))
    assert (verdict.backwards, verdict.unknown) == ([], [])


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9), st.integers(0, 6)), max_size=12)


@given(SPANS, SPANS)
def test_backwards_is_what_its_definition_says(
    writes: list[tuple[int, int, int]], reads: list[tuple[int, int, int]]
) -> None:
    ops = [Op("counter", 0, number, b, b + took, OK, value) for number, (b, took, value) in enumerate(writes, start=1)]
    seen = [Read("counter", 1, b, b + took, value) for b, took, value in reads]
    told = [(op.ended, op.value) for op in ops] + [(read.ended, read.value) for read in seen]

    def late(began: float, least: int) -> bool:
        return any(ended < began and value > least for ended, value in told)

    expected = [each[:3] for each in ops if late(each.began, each.value - 1)]
    expected += [("counter", 1, 0) for each in seen if late(each.began, each.value)]
    assert sorted(went_back(History(ops, seen), alone=False)) == sorted(expected)


# -- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([1, 2, 3, 4, 9], (4, 5)),
        ([], (0, 10)),
        ([8, 9], (0, 8)),
        ([1, 2], (2, 8)),
        ([-5, 5, 50], (0, 5)),
    ],
)
def test_outage(ends: list[float], expected: tuple[float, float]) -> None:
    ops = [op(number, began=end - 0.5) for number, end in enumerate(ends)]
    assert outage([*ops, op(99, INFO, began=6)], 0, 10) == expected


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([], 0),
        ([1], 0),
        ([1, 9], 0),
        ([0, 0.5, 1], 2),
        ([0, 0.5, 1, 9, 9.5, 30, 31], 4 / 2.5),
    ],
)
def test_rate_leaves_outages_out(ends: list[float], expected: float) -> None:
    assert rate([op(number, began=end - 0.5) for number, end in enumerate(ends)]) == expected


@pytest.mark.parametrize(
    ("began", "expected"),
    [
        ([], []),
        ([1], [(1, 1.5)]),
        ([1, 2, 3], [(1, 3.5)]),
        ([1, 2, 9], [(1, 2.5), (9, 9.5)]),
    ],
)
def test_accepting(began: list[float], expected: list[tuple[float, float]]) -> None:
    assert accepting([op(number, began=at) for number, at in enumerate(began)]) == expected


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 0),
        ([[(0, 9)]], 0),
        ([[(0, 5)], [(5, 9)]], 0),
        ([[(0, 5)], [(3, 9)]], 2),
        ([[(0, 5), (7, 9)], [(3, 8)]], 3),
        ([[(0, 9)], [(1, 8)], [(2, 3)]], 7),
    ],
)
def test_together(spans: list[list[tuple[float, float]]], expected: float) -> None:
    assert together(spans) == expected


@given(st.lists(st.lists(st.integers(0, 40), min_size=2, max_size=8, unique=True), max_size=4))
def test_together_counts_each_second(edges: list[list[int]]) -> None:
    spans = [list(zip(sorted(each)[::2], sorted(each)[1::2], strict=False)) for each in edges]
    seconds = [sum(any(a <= second < b for a, b in each) for each in spans) for second in range(41)]
    assert together(spans) == sum(count > 1 for count in seconds)


def test_failover() -> None:
    events = [
        Event(1.0, "s0", "+sdown", "master redis-redis 10.0.0.1 6379"),
        Event(9.0, "s0", "+sdown", "slave 10.0.0.2:6379 10.0.0.2 6379 @ redis-redis 10.0.0.1 6379"),
        Event(10.0, "s1", "+sdown", "master redis-redis 10.0.0.1 6379"),
        Event(10.2, "s0", "+sdown", "master redis-redis 10.0.0.1 6379"),
        Event(11.0, "s1", "+switch-master", "other-redis 10.1.0.1 6379 10.1.0.2 6379"),
        Event(11.5, "s1", "+switch-master", "redis-redis 10.0.0.1 6379 10.0.0.2 6379"),
        Event(12.0, "s0", "+switch-master", "redis-redis 10.0.0.1 6379 10.0.0.2 6379"),
        Event(30.0, "s1", "+switch-master", "redis-redis 10.0.0.2 6379 10.0.0.1 6379"),
    ]
    history = History(events=events)
    assert failover(history, 5, "redis-redis") == 1.5
    assert failover(history, 29, "redis-redis") is None  # by a hand-over
    assert [switches(history, since, "redis-redis") for since in (0, 11.7, 20, 40)] == [2, 1, 1, 0]


def test_acked_come_as_they_were_told() -> None:
    ops = [op(1, took=5), op(2), op(3, INFO), op(4, INFO)._replace(ended=math.inf)]
    assert [each.number for each in acked(ops)] == [2, 1]
