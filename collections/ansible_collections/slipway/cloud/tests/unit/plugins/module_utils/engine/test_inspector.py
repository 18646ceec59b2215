# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what of a log is shown, and what is kept. What is read, and when: tests/integration and tests/live."""

from __future__ import annotations

import threading
import typing as t
from types import SimpleNamespace

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine import inspector as module
from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Ask
from ansible_collections.slipway.cloud.plugins.module_utils.engine.inspector import Inspector, masked
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import POD
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import Target

SECRET, OTHER = (Ask("secret", "n", name) for name in ("first", "second"))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("connecting to db:5432", "connecting to db:5432"),
        ("password=hunter2 user=me", "password=(hidden) user=me"),
        ('{"api_key": "abc", "a": 1}', '{"api_key": (hidden) "a": 1}'),
        ("Authorization: Bearer abc.def", "Authorization: (hidden)"),
        ("no token found", "no token found"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(line: str, shown: str) -> None:
    assert masked(line) == shown


class Answering:
    """A client by which every object exists."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def channel(self) -> Answering:
        """Return itself."""
        return self

    def get(self, path: str, *_: object, **__: object) -> dict[str, t.Any]:
        """Note what is asked for."""
        self.asked.append(path.rpartition("/")[2])
        return {}

    def cut(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("asks", "read", "answered"),
    [
        ({0.0: SECRET, 1.0: OTHER, 59.0: SECRET}, ["first", "second"], {SECRET, OTHER}),
        ({0.0: SECRET, 1.0: OTHER, 60.0: SECRET}, ["first", "second", "first"], {SECRET, OTHER}),
        ({0.0: SECRET, 601.0: OTHER}, ["first", "second"], {OTHER}),
        ({0.0: SECRET, 300.0: SECRET, 601.0: OTHER}, ["first", "first", "second"], {SECRET, OTHER}),
    ],
)
def test_answers_are_read_anew_and_forgotten(
    monkeypatch: pytest.MonkeyPatch, asks: dict[float, Ask], read: list[str], answered: set[Ask]
) -> None:
    now = 0.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    client: t.Any = Answering()
    learned = threading.Semaphore(0)
    inspector = Inspector(client, learned=learned.release)
    for now, ask in asks.items():  # it is the clock
        inspector.ask([ask])
        learned.acquire(timeout=5 if now != 59.0 else 0)
    found = inspector.evidence(Target(POD, "n", "p"), (), {})
    inspector.close()
    assert (client.asked, set(found.answered), set(found.exists)) == (read, answered, answered)
