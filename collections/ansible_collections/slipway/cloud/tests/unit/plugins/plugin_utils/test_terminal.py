# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what is shown on the terminal."""

from __future__ import annotations

import typing as t

from ansible_collections.slipway.cloud.plugins.module_utils.engine.progress import Event
from ansible_collections.slipway.cloud.plugins.plugin_utils._terminal import Terminal


def event(stage: str, milestone: str = "", message: str = "", **counts: int) -> Event:
    what: dict[str, t.Any] = {"stage": stage, "milestone": milestone, "message": message, "counts": counts}
    return Event(kind="Deployment", namespace="n", name="a", elapsed=1.0, **what)


def test_a_line_for_each_change_of_state_in_its_colour() -> None:
    shown: list[tuple[str, str]] = []
    terminal = Terminal(lambda text, *, color, **_: shown.append((text.split()[2], color)))
    events = [
        event("applied", "executed", "accepted"),
        event("waiting", message="0 of 2", started=0),
        event("waiting", message="0 of 2", started=1),
        event("waiting", message="1 of 2", started=2),
        event("available", "took effect", "2 of 2"),
        event("failed", "failed", "deleted"),
    ]
    for each in events:
        terminal.show(each)
    assert shown == [
        ("executed", "yellow"),
        ("waiting", "blue"),
        ("waiting", "blue"),
        ("took", "green"),
        ("failed", "red"),
    ]
