# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the check for free space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._space import SpaceError, require_space

if TYPE_CHECKING:
    from pathlib import Path


def test_enough(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "yet" / "there", 1, "A test")


def test_not_enough(tmp_path: Path) -> None:
    with pytest.raises(SpaceError) as caught:
        require_space(tmp_path / "cache", 10**12, "A test")
    message = str(caught.value)
    assert message.startswith(f"A test needs 1000000000000 MiB in {tmp_path}/cache, where ")
    assert "MiB are free: free some space, or let XDG_CACHE_HOME name " in message
