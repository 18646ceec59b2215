"""What the counter makes of Redis' answers: what is counted, what surely is not, and what nobody knows."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, ResponseError
from slipway_counter.outcomes import Fate, Outcome, agreed, commands, judged, not_sent, over_all, unanswered
from slipway_counter.settings import Address

COUNTED, NOT_COUNTED, UNKNOWN = Fate.COUNTED, Fate.NOT_COUNTED, Fate.UNKNOWN
NO_REPLICAS = ResponseError("NOREPLICAS Not enough good replicas to write.")
READ_ONLY = ReadOnlyError("You can't write against a read only replica.", status_code="READONLY")
IN_SCRIPT = ReadOnlyError("You can't write against a read only replica. script: 1f", status_code="READONLY")
LOADING = BusyLoadingError("Redis is loading the dataset in memory", status_code="LOADING")
FULL = OutOfMemoryError("command not allowed when used memory > 'maxmemory'.", status_code="OOM")
NO_NUMBER = ResponseError("ERR value is not an integer or out of range")
UNBLOCKED = ResponseError("UNBLOCKED force unblock from blocking operation, instance state changed")


@pytest.mark.parametrize(
    ("replies", "replicas", "fate", "passing"),
    [
        ([7], 0, COUNTED, False),
        ([7, 1], 1, COUNTED, False),
        ([7, 2], 1, COUNTED, False),
        ([[b"7", 0], 1], 1, COUNTED, False),
        ([7, 0], 1, UNKNOWN, True),
        ([7, 1], 2, UNKNOWN, True),
        ([[b"7", 1], 0], 1, UNKNOWN, True),
        ([7, UNBLOCKED], 1, UNKNOWN, True),
        ([READ_ONLY, UNBLOCKED], 1, NOT_COUNTED, True),
        ([IN_SCRIPT, 1], 1, NOT_COUNTED, True),
        ([NO_REPLICAS, 0], 1, NOT_COUNTED, True),
        ([LOADING], 1, NOT_COUNTED, True),
        ([FULL, 1], 1, NOT_COUNTED, False),
        ([NO_NUMBER, 1], 1, NOT_COUNTED, False),
    ],
)
def test_judged(replies: list[Any], replicas: int, fate: Fate, passing: bool) -> None:
    outcome = judged(replies, replicas)
    assert (outcome.fate, outcome.passing) == (fate, passing)
    assert outcome.count == (7 if fate is COUNTED else 0)
    assert bool(outcome.reason) == bool(outcome.code) == (fate is not COUNTED)


def test_repeated() -> None:
    assert judged([[b"7", 1], 1], 1) == Outcome(fate=COUNTED, count=7, repeated=True)


def test_counts_beyond_the_numbers_of_lua() -> None:
    assert judged([[b"9007199254740993", 0], 1], 1).count == 9007199254740993


NOT_SENT, UNANSWERED, SEVEN = not_sent("refused"), unanswered("silence"), Outcome(fate=COUNTED, count=7)
AGAIN = Outcome(fate=COUNTED, count=7, repeated=True)


@pytest.mark.parametrize(
    ("before", "last", "expected"),
    [
        (None, NOT_SENT, NOT_SENT),
        (None, AGAIN, AGAIN),
        (NOT_SENT, AGAIN, AGAIN),
        (NOT_SENT, UNANSWERED, UNANSWERED),
        (UNANSWERED, NOT_SENT, UNANSWERED),
        (UNANSWERED, SEVEN, SEVEN),
        (UNANSWERED, AGAIN, SEVEN),
    ],
)
def test_what_was_not_known_once_stays_so(before: Outcome | None, last: Outcome, expected: Outcome) -> None:
    assert over_all(before, last) == expected


def test_callers_are_told_no_addresses() -> None:
    told = {each.told for each in (not_sent("no connection to 10.0.0.1:6379"), judged([FULL], 0), judged([1, 0], 1))}
    assert told == {
        "Redis cannot be reached",
        "Redis has refused it",
        "too few replicas have said that they have it",
    }


def test_commands() -> None:
    assert len(commands("counter", "mine", 60, 0, 500)) == 1
    [evaluated, waited] = commands("counter", "mine", 60, 1, 500)
    assert evaluated[0] == "EVAL"
    assert evaluated[2:] == (2, "counter", "counter:done:mine", 60)
    assert waited == ("WAIT", 1, 500)


A, B = Address("10.0.0.1", 6379), Address("10.0.0.2", 6379)


@pytest.mark.parametrize(
    ("answers", "asked", "expected"),
    [
        ([], 0, None),
        ([None], 1, None),
        ([A], 1, A),
        ([A, A, A], 3, A),
        ([A, A, B], 3, A),
        ([B, A, A], 3, A),
        ([A, None, None], 3, None),
        ([A, B, None], 3, None),
        ([A, A, None], 3, A),
        ([A, A, B, B], 4, None),
        ([A, A, None, None], 4, None),
        ([A, A, A, None, B], 5, A),
        ([A, A, None, None, None], 5, None),
    ],
)
def test_a_majority_of_all_that_were_asked(answers: list[Address | None], asked: int, expected: Address | None) -> None:
    assert agreed(answers, asked) == expected
