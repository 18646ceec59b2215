"""A journal is read as it was written, cut off or not."""

from __future__ import annotations

import math

import pytest

from tests.faults.history import INFO, NO, OK, Event, History, Op, Read, by_writer, parsed

LINES = [
    '["i",1.0,"aware",0,1]\n',
    '["i",1.1,"aware",1,1]\n',
    '["o",1.2,"aware",0,1,"ok",41]\n',
    '["r",1.3,1.4,"aware",0,41]\n',
    '["i",1.5,"aware",0,2]\n',
    '["o",1.6,"aware",1,1,"no","READONLY"]\n',
    '["o",1.7,"aware",0,2,"info","timeout"]\n',
    '["e",1.8,"10.0.0.1:26379","+switch-master","m 10.0.0.2 6379 10.0.0.3 6379"]\n',
    '["i",1.9,"aware",0,3]\n',
]
EXPECTED = History(
    [
        Op("aware", 0, 1, 1.0, 1.2, OK, 41),
        Op("aware", 1, 1, 1.1, 1.6, NO, why="READONLY"),
        Op("aware", 0, 2, 1.5, 1.7, INFO, why="timeout"),
        Op("aware", 0, 3, 1.9, math.inf, INFO, why="open"),
    ],
    [Read("aware", 0, 1.3, 1.4, 41)],
    [Event(1.8, "10.0.0.1:26379", "+switch-master", "m 10.0.0.2 6379 10.0.0.3 6379")],
)


def test_parsed() -> None:
    assert parsed(LINES) == EXPECTED


@pytest.mark.parametrize("cut", range(1, 22))
def test_a_last_line_that_is_cut_off(cut: int) -> None:
    assert parsed([*LINES[:-1], LINES[-1][:-cut]]).ops == EXPECTED.ops[:-1]


def test_both_in_order() -> None:
    halves = parsed(LINES[:1] + LINES[2:3]), parsed(LINES[1:2] + LINES[5:6])
    assert (halves[1] + halves[0]).ops == EXPECTED.ops[:2]


def test_of() -> None:
    other = Op("plain", 0, 1, 1, 2, OK, 1)
    history = History([*EXPECTED.ops, other], EXPECTED.reads, EXPECTED.events)
    assert history.of("plain") == History([other])
    assert history.of("aware") == History(EXPECTED.ops, EXPECTED.reads)


def test_by_writer() -> None:
    found = by_writer(reversed(EXPECTED.ops))
    assert {writer: [op.number for op in ops] for writer, ops in found.items()} == {
        ("aware", 0): [1, 2, 3],
        ("aware", 1): [1],
    }
