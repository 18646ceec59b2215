# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of how events are told."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.progress import Event, line, to_all


def event(**fields: t.Any) -> Event:
    known = {"kind": "Deployment", "namespace": "n", "name": "a", "message": "", "elapsed": 1.23456, "time": 2.0}
    return Event(**{"stage": "applied", **known, **fields})


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (
            event(milestone="executed", message="accepted"),
            "   1.23 s  executed     Deployment a in namespace n: accepted",
        ),
        (event(stage="scheduled"), "   1.23 s  scheduled    Deployment a in namespace n"),
        (event(stage="available", milestone="took effect"), "   1.23 s  took effect  Deployment a in namespace n"),
        (event(namespace="", kind="Namespace", milestone="failed"), "   1.23 s  failed       Namespace a"),
    ],
)
def test_line(told: Event, text: str) -> None:
    assert line(told) == text


def test_as_json() -> None:
    told = json.loads(event(milestone="executed", counts={"wanted": 3}).as_json())
    assert told == {
        "stage": "applied",
        "milestone": "executed",
        "kind": "Deployment",
        "namespace": "n",
        "name": "a",
        "message": "",
        "elapsed": 1.235,
        "time": 2.0,
        "counts": {"wanted": 3},
    }


def test_to_all() -> None:
    heard: list[tuple[str, Event]] = []
    listener = to_all([lambda told: heard.append(("a", told)), lambda told: heard.append(("b", told))])
    listener(told := event())
    assert heard == [("a", told), ("b", told)]
