# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what follows from troubles that last."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Ask, Evidence, Rule, Trouble
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import (
    FailFast,
    State,
    Target,
    View,
    failing_fast,
    pending,
    weighed,
)

TARGET = Target(DEPLOYMENT, "n", "demo", uid="d", generation=2, revision=10)
EVENTS, LOG = Ask("events", "n"), Ask("log", "n", "a", "main")
NOW = Trouble("a", Rule("now", recoverable=False, patience=0.0), "now")
LATER = Trouble("b", Rule("later", patience=10.0), "later")
NEVER = Trouble("c", Rule("never"), "never")
SUSPECT = Trouble("d", Rule(""), asks=(EVENTS,), after=3.0)
LOGGED = Trouble("a", NOW.rule, "now", log=LOG)


def view(now: float, *, since: t.Mapping[t.Hashable, float] | None = None, answered: set[Ask] | None = None) -> View:
    evidence = Evidence(answered=frozenset(answered or ()))
    return View(TARGET, None, True, now=now, since=since or {}, evidence=evidence)


@pytest.mark.parametrize(
    ("trouble", "since", "now", "policy", "state", "due"),
    [
        (NOW, None, 0, "unrecoverable", State.FAILED, None),
        (NOW, None, 0, "never", State.PENDING, None),
        (LATER, None, 0, "unrecoverable", State.PENDING, 10),
        (LATER, {"b": 0.0}, 9.9, "unrecoverable", State.PENDING, 10),
        (LATER, {"b": 0.0}, 10, "unrecoverable", State.FAILED, None),
        (LATER, {"other": 0.0}, 10, "unrecoverable", State.PENDING, 20),
        (LATER, None, 0, "any", State.FAILED, None),
        (NEVER, {"c": 0.0}, 1e6, "unrecoverable", State.PENDING, None),
        (NEVER, None, 0, "any", State.FAILED, None),
        (SUSPECT, None, 0, "any", State.PENDING, 3),
        (SUSPECT, {"d": 0.0}, 1e6, "any", State.PENDING, None),
        (LOGGED, None, 0, "unrecoverable", State.PENDING, 2),
        (LOGGED, {"a": 0.0}, 2, "unrecoverable", State.FAILED, None),
    ],
)
def test_fail_fast(
    trouble: Trouble,
    since: t.Mapping[t.Hashable, float] | None,
    now: float,
    policy: FailFast,
    state: State,
    due: float | None,
) -> None:
    verdict = failing_fast(lambda seen: weighed(seen, pending("", trouble)), policy)(view(now, since=since))
    assert (verdict.state, verdict.due if verdict.state is State.PENDING else None) == (state, due)


def test_failure_waits_for_its_evidence_alone() -> None:
    judge = failing_fast(lambda seen: weighed(seen, pending("", LOGGED)), "unrecoverable")
    assert judge(view(0, answered={LOG})).state is State.FAILED


def test_trouble_that_goes_away_is_forgotten() -> None:
    first = weighed(view(0), pending("", LATER))
    well = weighed(view(5, since=first.since), pending(""))
    again = weighed(view(8, since=well.since), pending("", LATER))
    assert (first.since, well.since, again.since) == ({"b": 0}, {}, {"b": 8})


def test_patience_of_the_caller_comes_first() -> None:
    judge = failing_fast(lambda seen: weighed(seen, pending("", LATER)), "unrecoverable", {"later": 60.0})
    assert judge(view(30, since={"b": 0.0})).due == 60


@pytest.mark.parametrize(("now", "asks"), [(0, set()), (2.9, set()), (3, {EVENTS})])
def test_suspicion_asks_after_a_while(now: float, asks: set[Ask]) -> None:
    assert weighed(view(now, since={"d": 0.0}), pending("", SUSPECT)).asks == asks
