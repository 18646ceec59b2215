# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of who controls whom, and of what time alone decides."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Rule, Trouble
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import EngineError
from ansible_collections.slipway.cloud.plugins.module_utils.engine.reflector import Change, Selection
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT
from ansible_collections.slipway.cloud.plugins.module_utils.engine.tracker import Family, Tracker
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import (
    State,
    Target,
    View,
    done,
    failing_fast,
    pending,
    weighed,
)

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object


def child(uid: str, parent: str) -> Object:
    return {"metadata": {"uid": uid, "ownerReferences": [{"uid": "other"}, {"uid": parent, "controller": True}]}}


RS, POD = child("rs", "d"), child("pod", "rs")


@pytest.mark.parametrize(
    ("changes", "descendants", "root"),
    [
        ([], [], "rs"),
        ([Change("ADDED", RS), Change("ADDED", POD)], [RS, POD], "d"),
        ([Change("ADDED", POD), Change("ADDED", RS)], [RS, POD], "d"),
        ([Change("ADDED", POD)], [], "rs"),
        ([Change("ADDED", RS), Change("ADDED", POD), Change("DELETED", POD)], [RS], "d"),
        ([Change("ADDED", RS), Change("ADDED", POD), Change("DELETED", RS)], [POD], "d"),
        ([Change("ADDED", RS), Change("ADDED", POD), Change("DELETED", RS), Change("DELETED", POD)], [], "rs"),
        ([Change("DELETED", POD)], [], "rs"),
    ],
)
def test_family(changes: list[Change], descendants: list[Object], root: str) -> None:
    family = Family()
    for change in changes:
        family.take(change)
    assert (family.descendants("d"), family.root(POD)) == (descendants, root)


def test_object_without_owner_is_its_own_root() -> None:
    assert Family().root({"metadata": {"uid": "d"}}) == "d"


class Unused:
    """A client that nobody calls, since the streams are not started."""

    def channel(self) -> None:
        """Return what is not used."""


@pytest.mark.parametrize(("seconds", "state"), [(9.9, None), (10.0, State.FAILED)])
def test_trouble_fails_a_wait_when_it_has_stood_for_too_long(seconds: float, state: State | None) -> None:
    now = [100.0]
    trouble = Trouble("a", Rule("slow", patience=10.0), "it is slow")
    judge = failing_fast(lambda view: weighed(view, pending("", trouble)), "unrecoverable")
    client: t.Any = Unused()
    tracker = Tracker(
        client,
        [Selection(DEPLOYMENT, "n")],
        watcher=lambda _target, _verdict: None,
        warner=lambda _selection, _message: None,
        clock=lambda: now[0],
    )
    wait = tracker.expect(Target(DEPLOYMENT, "n", "demo", uid="d", generation=1, revision=1), judge)
    now[0] += seconds
    tracker.tick()
    assert (wait.result().verdict.state if wait.done() else None) is state


def test_past_restarts_are_no_trouble_of_a_wait() -> None:
    seen: list[View] = []
    client: t.Any = Unused()
    tracker = Tracker(
        client,
        [Selection(DEPLOYMENT, "n")],
        watcher=lambda _target, _verdict: None,
        warner=lambda _selection, _message: None,
    )
    pod: Object = {"metadata": {**RS["metadata"], "uid": "p", "name": "p"}}
    pod["status"] = {"containerStatuses": [{"name": "main", "restartCount": 7}]}
    [stream] = tracker.streams
    stream._report(stream, [Change("ADDED", pod)])

    def judge(view: View) -> t.Any:
        seen.append(view)
        return pending("")

    tracker.expect(Target(DEPLOYMENT, "n", "demo", uid="d"), judge)
    assert seen[0].evidence.restarts == {("p", "main"): 7}


def test_observer_is_told_every_change_and_decides_nothing() -> None:
    client: t.Any = Unused()
    tracker = Tracker(
        client,
        [Selection(DEPLOYMENT, "n")],
        watcher=lambda _target, _verdict: None,
        warner=lambda _selection, _message: None,
    )
    [stream] = tracker.streams
    told: list[tuple[bool, State]] = []

    def judge(view: View) -> t.Any:
        return done("there") if view.obj else pending("not there")

    def observe(view: View, verdict: t.Any) -> None:
        told.append((view.present, verdict.state))

    def report(revision: int, *items: Object) -> None:
        stream._report(stream, stream.store.replace(items, revision))
        stream._report(stream, [])

    demo: Object = {"metadata": {"uid": "d", "namespace": "n", "name": "demo"}}
    wait = tracker.expect(Target(DEPLOYMENT, "n", "demo", uid="d"), judge, observe)
    for revision, items in enumerate([(), (demo,), (demo,), ()], start=1):
        report(revision, *items)
    assert told == [(False, State.PENDING), (True, State.DONE), (False, State.PENDING)]
    assert not wait.done()
    assert tracker.abandon(wait).verdict.state is State.PENDING


def test_tracker_tells_that_it_is_synced_and_that_it_is_broken() -> None:
    client: t.Any = Unused()
    tracker = Tracker(
        client,
        [Selection(DEPLOYMENT, "n"), Selection(DEPLOYMENT, "m")],
        watcher=lambda _target, _verdict: None,
        warner=lambda _selection, _message: None,
    )
    for stream, expected in zip(tracker.streams, (False, True), strict=True):
        stream.synced = True
        stream._report(stream, [])
        assert tracker.synced.done() is expected
    error = EngineError("it is over")
    for stream in tracker.streams:
        stream._give_up(error)
    assert tracker.broken.exception() is error
