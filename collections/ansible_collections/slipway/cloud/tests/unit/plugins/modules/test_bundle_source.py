# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the choice between sources and releases; what answers is tested with the releases."""

from __future__ import annotations

import pytest

from ansible_collections.slipway.cloud.plugins.modules.bundle_source import decide

DEAD = "http://127.0.0.1:1/v1/kubectl"


@pytest.mark.parametrize(
    ("choice", "unreleased", "made_of", "expected"),
    [
        ("source", False, "release", ("source", "bundle_source says so")),
        ("release", True, "", ("release", "bundle_source says so")),
        ("auto", False, "source", ("source", "as those of the bundle so far")),
        ("auto", False, "release", ("release", "as those of the bundle so far")),
        ("auto", True, "release", ("source", "the tests run programs that no release has")),
        ("auto", False, "", ("source", "http://127.0.0.1:1 does not answer")),
    ],
)
def test_decide(choice: str, unreleased: bool, made_of: str, expected: tuple[str, str]) -> None:
    assert decide(choice, unreleased=unreleased, made_of=made_of, url=DEAD, timeout=1) == expected
