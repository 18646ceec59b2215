# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the pure parts of a stream: lines, delays, and what follows from lists and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine import reflector as module
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import (
    EngineError,
    StreamError,
    UnreachableError,
    api_error,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.reflector import (
    Backoff,
    Change,
    LineDecoder,
    Reflector,
    Selection,
    Store,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import POD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

TWO_LINES = b'{"a": "\xc3\xa4"}\n{"b": 2}\n'


def pod(name: str, at: int, uid: str = "") -> Object:
    return {"metadata": {"namespace": "n", "name": name, "uid": uid or name, "resourceVersion": str(at)}}


@pytest.mark.parametrize("size", range(1, len(TWO_LINES) + 1))
def test_lines_survive_any_cut(size: int) -> None:
    decoder = LineDecoder()
    chunks = [TWO_LINES[start : start + size] for start in range(0, len(TWO_LINES), size)]
    assert [obj for chunk in chunks for obj in decoder.feed(chunk)] == [{"a": "ä"}, {"b": 2}]


def test_unfinished_line_is_not_given_out() -> None:
    assert LineDecoder().feed(b'{"a": 1}\n{"b"') == [{"a": 1}]


def test_broken_line_breaks_the_stream() -> None:
    with pytest.raises(StreamError):
        LineDecoder().feed(b"<html>\n")


@pytest.mark.parametrize(
    ("jitter", "expected"),
    [
        (1.0, [0.1, 0.5, 1.0, 1.0, 2.0, 3.0, 3.0]),
        (0.0, [0.05, 0.25, 0.5, 0.5, 1.0, 1.5, 1.5]),
    ],
)
def test_delays_grow_to_a_bound(jitter: float, expected: list[float]) -> None:
    backoff = Backoff(lambda: jitter)
    assert [backoff.next() for _expected in expected] == expected


def test_server_decides_and_success_forgives() -> None:
    backoff = Backoff(lambda: 1.0)
    delays = [backoff.next(), backoff.next(retry_after=7), backoff.next(), backoff.next(retry_after=0)]
    backoff.reset()
    assert [*delays, backoff.next()] == [0.1, 7, 1.0, 1.0, 0.1]


OLD = [pod("kept", 1), pod("gone", 2), pod("anew", 3), pod("newer", 4)]
NEW = [pod("kept", 1), pod("anew", 11, uid="other"), pod("newer", 12), pod("more", 13)]


def test_new_list_tells_what_happened_unseen() -> None:
    store = Store()
    assert [change.kind for change in store.replace(OLD, at=4)] == ["ADDED"] * 4
    assert store.replace(NEW, at=13) == [
        Change("DELETED", OLD[1]),
        Change("DELETED", OLD[2]),
        Change("ADDED", NEW[1]),
        Change("MODIFIED", NEW[2]),
        Change("ADDED", NEW[3]),
    ]
    assert store.revision == 13


@pytest.mark.parametrize(
    ("kind", "at", "counts", "left"),
    [
        ("ADDED", 11, True, {"p": 11}),
        ("MODIFIED", 11, True, {"p": 11}),
        ("DELETED", 11, True, {}),
        ("BOOKMARK", 11, False, {"p": 5}),
        ("MODIFIED", 10, False, {"p": 5}),
        ("DELETED", 9, False, {"p": 5}),
    ],
)
def test_event(kind: str, at: int, counts: bool, left: dict[str, int]) -> None:
    store = Store()
    store.replace([pod("p", 5)], at=10)
    change = store.apply(kind, pod("p", at))
    assert (change is not None) is counts
    assert {key[1]: int(obj["metadata"]["resourceVersion"]) for key, obj in store.objects.items()} == left
    assert store.revision == max(at, 10)


def test_repeated_event_does_not_bring_back_the_deleted() -> None:
    store = Store()
    changes = [store.apply(kind, pod("p", at)) for kind, at in (("ADDED", 1), ("DELETED", 2), ("ADDED", 1))]
    assert (store.objects, changes[-1]) == ({}, None)


def test_revisions_that_are_no_numbers_are_taken_as_they_come() -> None:
    store = Store()
    obj = {"metadata": {"name": "x", "uid": "1", "resourceVersion": "abc"}}
    assert store.apply("ADDED", obj) == store.apply("ADDED", obj) == Change("ADDED", obj)


OK, CUT, NOBODY = None, StreamError("cut"), UnreachableError("nobody")


def refused(status: int) -> EngineError:
    return api_error("watch pods", status=status, body={"message": 'User "u" cannot watch it'})


class Script:
    """A client whose lists and watches end in turn as they are told; then the stream is stopped."""

    def __init__(self, outcomes: list[EngineError | None]) -> None:
        self.outcomes = list(reversed(outcomes))
        self.asked = ""
        self.failing: list[bool] = []  # what the stream says of itself before each request
        self.reflector: Reflector

    def channel(self) -> Script:
        return self

    def get(self, *_: object, **__: object) -> Object:
        self._answer("L")
        return {"metadata": {"resourceVersion": "1"}, "items": []}

    def watch(self, *_: object, **__: object) -> Script:
        self._answer("W")
        return self

    def _answer(self, request: str) -> None:
        self.failing.append(self.reflector.failing_since is not None)
        if not self.outcomes:
            self.reflector.stop()
            raise CUT
        self.asked += request
        if error := self.outcomes.pop():
            raise error

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def cut(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("outcomes", "asked", "error", "warnings"),
    [
        ([OK, OK, OK], "LWW", None, 0),
        ([OK, *[CUT] * 9, OK], "LWWWWWWWWWW", None, 0),
        ([NOBODY, refused(500), refused(429), OK, OK], "LLLLW", None, 0),
        ([OK, OK, refused(410), OK, OK], "LWWLW", None, 0),
        ([OK, refused(410), refused(410), OK], "LWLL", None, 0),
        ([refused(403)], "L", "forbidden", 0),
        ([refused(404)], "L", "not_found", 0),
        ([OK, *[refused(401)] * 7], "LWWWWWWW", "unauthorized", 0),
        ([OK, *[NOBODY] * 9, refused(401), OK], "LWWWWWWWWWWW", None, 0),
        ([OK, refused(403), OK, refused(403), OK, OK, OK], "LWLWLWW", None, 1),
        ([OK, refused(403), OK, OK, refused(403), OK], "LWLWWL", None, 2),
    ],
)
def test_stream_goes_on_for_as_long_as_it_can_help(
    monkeypatch: pytest.MonkeyPatch, outcomes: list[EngineError | None], asked: str, error: str | None, warnings: int
) -> None:
    monkeypatch.setattr(module, "_DELAYS", (0.0,) * 6)
    monkeypatch.setattr(module, "_POLL", 0.0)
    errors: list[EngineError] = []
    warned: list[str] = []
    client: Any = Script(outcomes)
    client.reflector = Reflector(
        client,
        Selection(POD),
        report=lambda _stream, _changes: None,
        give_up=errors.append,
        warn=lambda _stream, message: warned.append(message),
    )
    client.reflector.run()
    assert (client.asked, [each.code for each in errors], len(warned)) == (asked, [error] if error else [], warnings)


@pytest.mark.parametrize(
    ("outcomes", "failing"),
    [
        ([OK], [False, False]),
        ([NOBODY], [False, True]),
        ([NOBODY, OK], [False, True, False]),
        ([OK, CUT, CUT], [False, False, True, True]),
        ([OK, CUT, OK], [False, False, True, False]),
        ([OK, CUT, refused(410), OK], [False, False, True, True, False]),
    ],
)
def test_stream_tells_whether_its_server_is_there(
    monkeypatch: pytest.MonkeyPatch, outcomes: list[EngineError | None], failing: list[bool]
) -> None:
    monkeypatch.setattr(module, "_DELAYS", (0.0,) * 6)
    client: Any = Script(outcomes)
    client.reflector = reflector = Reflector(
        client,
        Selection(POD),
        report=lambda _stream, _changes: None,
        give_up=lambda _error: None,
        warn=lambda _stream, _message: None,
    )
    before = reflector.heard
    reflector.run()
    assert client.failing == failing
    assert reflector.interruptions == len(outcomes) - outcomes.count(OK) + 1  # the end is one
    assert (reflector.heard > before) is (OK in outcomes)
