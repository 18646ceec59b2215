"""What the writers have recorded, as data. Times are seconds since the epoch."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OK, NO, INFO = "ok", "no", "info"


class Op(NamedTuple):
    """A number that was to be written once: from when to when, what came of it, and the value or why."""

    client: str
    writer: int
    number: int
    began: float
    ended: float
    outcome: str
    value: int = 0
    why: str = ""


class Read(NamedTuple):
    """What was read."""

    client: str
    writer: int
    began: float
    ended: float
    value: int


class Event(NamedTuple):
    """What a Sentinel said."""

    at: float
    sentinel: str
    channel: str
    text: str


@dataclass(frozen=True)
class History:
    """All that was recorded; the ops as they ended, those that nobody saw the end of (INFO, at infinity) last."""

    ops: list[Op] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def of(self, *clients: str) -> History:
        """What some clients did, without events."""
        return History(
            [op for op in self.ops if op.client in clients], [read for read in self.reads if read.client in clients]
        )

    def __add__(self, other: History) -> History:
        """Both, in order."""
        return History(
            sorted(self.ops + other.ops, key=lambda op: op.ended),
            sorted(self.reads + other.reads, key=lambda read: read.ended),
            sorted(self.events + other.events),
        )


def parsed(lines: Iterable[str]) -> History:
    """The history in a journal; a last line that is cut off is left out."""
    begun: dict[tuple[str, int, int], float] = {}
    found = History()
    for line in lines:
        if not line.endswith("\n"):
            break
        kind, *rest = json.loads(line)
        if kind == "i":
            at, *who = rest
            begun[tuple(who)] = at
        elif kind == "o":
            found.ops.append(_op(begun, *rest))
        elif kind == "r":
            began, ended, client, writer, value = rest
            found.reads.append(Read(client, writer, began, ended, value))
        elif kind == "e":
            found.events.append(Event(*rest))
    found.ops.extend(Op(*who, began=at, ended=math.inf, outcome=INFO, why="open") for who, at in begun.items())
    return found


def _op(begun: dict[tuple[str, int, int], float], *line: Any) -> Op:
    at, client, writer, number, outcome, detail = line
    op = Op(client, writer, number, begun.pop((client, writer, number)), at, outcome)
    return op._replace(value=int(detail)) if outcome == OK else op._replace(why=str(detail))


def by_writer(ops: Iterable[Op]) -> Mapping[tuple[str, int], list[Op]]:
    """The ops of each writer, as they were begun."""
    found: defaultdict[tuple[str, int], list[Op]] = defaultdict(list)
    for op in sorted(ops, key=lambda each: each.began):
        found[op.client, op.writer].append(op)
    return found


def acked(ops: Iterable[Op]) -> list[Op]:
    """Those that were acknowledged, as they were."""
    return sorted((op for op in ops if op.outcome == OK), key=lambda op: op.ended)


def without(history: History, began: float) -> History:
    """The history less what was begun before."""
    return replace(
        history,
        ops=[op for op in history.ops if op.began >= began],
        reads=[read for read in history.reads if read.began >= began],
    )
