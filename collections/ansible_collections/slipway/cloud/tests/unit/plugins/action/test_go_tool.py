# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what is shown while a tool is built."""

from __future__ import annotations

import pytest

from ansible_collections.slipway.cloud.plugins.action.go_tool import clock, progress


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", "linking"),
        (
            "go: downloading k8s.io/api v0.36.3\n",
            "0 packages compiled, now downloading k8s.io/api v0.36.3",
        ),
        (
            "go: downloading a v1\nfmt\nk8s.io/api\n# warning\n",
            "2 packages compiled, now k8s.io/api",
        ),
    ],
)
def test_progress(log: str, expected: str) -> None:
    assert progress(log) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(0.4, "0:00"), (75, "1:15"), (3600, "60:00")])
def test_clock(seconds: float, expected: str) -> None:
    assert clock(seconds) == expected
