# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what of a log is shown. What is read, and when: tests/integration and tests/live."""

from __future__ import annotations

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.inspector import masked


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
