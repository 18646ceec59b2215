# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a judgement is made of, and what follows from troubles that last. Pure: the time comes with the view.

A judge is a fold: the next view brings along what the last verdict knew, so that a trouble that stands for long can be
told from one that has just begun.
"""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field, replace

from .diagnosis import Ask, Cause, Evidence, Trouble, cause_from, lead
from .resources import Object, Resource, title

_EVIDENCE_GRACE = 2.0  # seconds that a failure waits for the logs and events that explain it


class State(enum.Enum):
    """What a wait has come to."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Target:
    """The object that somebody waits for, as our own write left it.

    ``revision`` is the resourceVersion of that write as a number, 0 if unknown.
    """

    resource: Resource
    namespace: str
    name: str
    uid: str = ""
    generation: int = 0
    revision: int = 0

    def __str__(self) -> str:
        return title(self.resource.kind, self.name, self.namespace)


@dataclass(frozen=True, slots=True)
class View:
    """What the cache shows of a target: what has its name now, and everything that its uid controls.

    ``settled`` is true when the stream has passed the target's revision: what it does not show then, does not exist.
    ``now`` is the tracker's clock in seconds; ``since`` is what the last verdict said of the troubles it found.
    """

    target: Target
    obj: Object | None
    settled: bool
    descendants: t.Sequence[Object] = ()
    now: float = 0.0
    since: t.Mapping[t.Hashable, float] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def present(self) -> bool:
        """Whether the very object that we wrote is there."""
        return self.obj is not None and self.obj["metadata"]["uid"] == self.target.uid

    def of_kind(self, kind: str) -> list[Object]:
        """Return the descendants of a kind."""
        return [each for each in self.descendants if each.get("kind") == kind]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on a view: the stages it has ``reached`` and what it looks like now, in one line.

    ``since`` tells when each trouble was first seen, ``asks`` what is worth reading because of them, and ``due`` when
    to judge anew though nothing happens until then. All of it is complete once weighed().
    """

    state: State
    summary: str
    reached: tuple[str, ...] = ()
    cause: Cause | None = None
    counts: dict[str, int] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = field(default=(), compare=False)
    since: t.Mapping[t.Hashable, float] = field(default_factory=dict, compare=False)
    asks: frozenset[Ask] = field(default=frozenset(), compare=False)
    due: float | None = field(default=None, compare=False)
    warning: str = ""


Judge = t.Callable[[View], Verdict]
Rule = t.Callable[[View, Object], Verdict]
"""A judge of an object that is there."""


def done(summary: str, *, warning: str = "") -> Verdict:
    """Return the verdict on what is ready."""
    return Verdict(State.DONE, summary, ("available",), warning=warning)


def pending(summary: str, *troubles: Trouble) -> Verdict:
    """Return the verdict on what is not ready yet."""
    return Verdict(State.PENDING, summary, troubles=troubles)


def failed(cause: Cause) -> Verdict:
    """Return the verdict on what will not become ready any more."""
    return Verdict(State.FAILED, cause.summary, cause=cause)


def stands(view: View, trouble: Trouble) -> bool:
    """Whether a trouble that was told before has stood for as long as it may."""
    return view.now - view.since.get(trouble.key, view.now) >= trouble.after


def weighed(view: View, verdict: Verdict) -> Verdict:
    """Complete a verdict by what its troubles amount to."""
    if verdict.state is not State.PENDING or not verdict.troubles:
        return verdict
    since = {each.key: view.since.get(each.key, view.now) for each in verdict.troubles}
    asks: set[Ask] = set()
    due: list[float] = []
    for trouble in verdict.troubles:
        at = since[trouble.key] + trouble.after
        if view.now >= at:
            asks.update(trouble.asks)
        else:
            due.append(at)
    gravest = lead(verdict.troubles)
    if gravest and gravest.log:
        asks.add(gravest.log)
    return replace(
        verdict,
        cause=cause_from(verdict.troubles),
        since=since,
        asks=frozenset(asks),
        due=min(due, default=None),
    )


FailFast = t.Literal["unrecoverable", "any", "never"]


def failing_fast(judge: Judge, policy: FailFast, patience: t.Mapping[str, float] | None = None) -> Judge:
    """Return a judge that does not wait on when something stands in the way for longer than it may.

    ``unrecoverable`` fails for what does not come right by itself, ``any`` for every cause at once, ``never`` for none.

    :param patience: seconds by code of a cause, in place of those of its rule.
    """

    def judged(view: View) -> Verdict:
        verdict = judge(view)
        if verdict.state is not State.PENDING or policy == "never":
            return verdict
        fatal = _fatal_at(verdict, policy, patience or {})
        if fatal is None:
            return verdict
        if not verdict.asks <= view.evidence.answered and view.now >= fatal:
            fatal += _EVIDENCE_GRACE
        if view.now < fatal:
            return replace(verdict, due=fatal if verdict.due is None else min(fatal, verdict.due))
        return replace(verdict, state=State.FAILED)

    return judged


def _fatal_at(verdict: Verdict, policy: FailFast, patience: t.Mapping[str, float]) -> float | None:
    """Return when the first of a verdict's troubles has stood for too long; None if they may stand for ever."""
    times = [
        verdict.since[each.key] + allowed
        for each in verdict.troubles
        if each.rule.code
        and (allowed := 0.0 if policy == "any" else patience.get(each.rule.code, each.rule.patience)) is not None
    ]
    return min(times, default=None)
