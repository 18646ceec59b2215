"""A model of Redis that fails over: whoever does it right loses nothing, and each known mistake is found out.

Without this a checker that finds nothing would not be believed. The same mistakes are made on real Redis by the drills
`redis-control-*`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.faults.checker import Verdict, judge_lists
from tests.faults.history import INFO, OK, History, Op

WRITER = ("aware", 0)


@dataclass
class Model:
    """Copies of one list of numbers; the first is the master's. One writer writes one number a second.

    ``wait``: a write is acknowledged when a replica has it. ``early``: it is acknowledged before it is stored.
    """

    wait: bool = True
    early: bool = False
    copies: list[list[int]] = field(default_factory=lambda: [[], [], []])
    away: set[int] = field(default_factory=set)
    ops: list[Op] = field(default_factory=list)

    def write(self, replicated: tuple[int, ...]) -> None:
        """Send a number, which reaches these replicas at once."""
        number = len(self.ops) + 1
        stored = 0 not in self.away
        reached = [copy for copy in replicated if copy not in self.away] if stored else []
        for copy in [0] * stored + reached:
            self.copies[copy].append(number)
        good = self.early or (stored and (bool(reached) or not self.wait))
        value = len(self.copies[0]) if stored else number
        self.ops.append(Op(*WRITER, number, number, number + 0.5, OK if good else INFO, value if good else 0))

    def catch_up(self) -> None:
        """Have replicas that are there get what they lack, and lose what their master has not."""
        for copy in set(range(1, len(self.copies))) - self.away:
            self.copies[copy] = list(self.copies[0])

    def promote(self, copy: int) -> None:
        """Make this one master: the others become as it is."""
        self.copies[0], self.copies[copy] = self.copies[copy], self.copies[0]
        self.catch_up()

    def fail_over(self) -> None:
        """Lose the master, and promote the replica that has most."""
        self.promote(max(range(1, len(self.copies)), key=lambda copy: (copy not in self.away, len(self.copies[copy]))))

    @property
    def truth(self) -> set[int]:
        """What was acknowledged and is not there."""
        return {op.number for op in self.ops if op.outcome == OK} - set(self.copies[0])

    @property
    def verdict(self) -> Verdict:
        """What the checker finds."""
        return judge_lists(History(self.ops), {WRITER: self.copies[0]})


REPLICATED = st.lists(st.sampled_from([(), (1,), (2,), (1, 2)]), max_size=12)


def written(model: Model, schedule: list[tuple[int, ...]]) -> None:
    """Write; a replica that missed something gets it before anything else, as Redis replicates in order."""
    for each in schedule:
        for copy in each:
            if copy not in model.away:
                model.copies[copy] = list(model.copies[0])
        model.write(each)


@given(st.lists(REPLICATED, min_size=1, max_size=4))
def test_who_waits_loses_nothing_when_the_newest_copy_is_promoted(parts: list[list[tuple[int, ...]]]) -> None:
    model = Model()
    for schedule in parts:
        written(model, schedule)
        model.fail_over()
    assert model.truth == set()
    assert model.verdict.wrong == {}


@given(st.lists(REPLICATED, min_size=1, max_size=4), st.booleans(), st.integers(1, 2))
def test_the_checker_finds_what_was_lost_and_no_more(parts: list[list[tuple[int, ...]]], wait: bool, copy: int) -> None:
    model = Model(wait=wait)
    for schedule in parts:
        written(model, schedule)
        model.promote(copy)
    assert {name[2] for name in model.verdict.lost} == model.truth
    assert not {"doubled", "denied", "unknown"} & model.verdict.wrong.keys()


@given(REPLICATED)
def test_control_hand_over_without_a_pause(schedule: list[tuple[int, ...]]) -> None:
    assume(schedule)
    model = Model(wait=False)
    written(model, schedule)
    model.catch_up()
    model.write(())  # the old master, which nobody told, takes one more
    model.fail_over()
    assert {name[2] for name in model.verdict.lost} == {len(model.ops)}


@given(REPLICATED)
def test_control_cold_start_by_ordinal(schedule: list[tuple[int, ...]]) -> None:
    model = Model()
    written(model, [*schedule, (1, 2)])
    model.away = {2}
    model.write((1,))  # acknowledged, and not on the copy that is behind
    model.away = set()
    model.promote(2)
    assert model.verdict.lost == [(*WRITER, len(model.ops))]
    assert model.truth == {len(model.ops)}


@given(REPLICATED)
def test_control_acknowledged_before_the_answer(schedule: list[tuple[int, ...]]) -> None:
    model = Model(wait=False, early=True)
    written(model, schedule)
    model.catch_up()
    model.away = {0}
    model.write((1, 2))
    model.away = set()
    model.fail_over()
    assert model.verdict.lost == [(*WRITER, len(model.ops))]


@pytest.mark.parametrize("again", [1, 2])
def test_control_repeated_without_a_key(again: int) -> None:
    model = Model()
    model.write((1, 2))
    for copy in model.copies:
        copy.extend([1] * again)
    assert model.verdict.wrong == {"doubled": 1}


def test_a_value_that_is_told_twice_gives_a_loss_away() -> None:
    model = Model(wait=False)
    model.write((1, 2))
    model.write(())
    model.fail_over()
    model.write((1, 2))
    assert model.verdict.wrong == {"lost": 1, "backwards": 1}
