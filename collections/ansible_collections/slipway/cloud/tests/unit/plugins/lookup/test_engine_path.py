# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the lookup plugin engine_path."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.slipway.cloud.plugins.lookup.engine_path import engine_path


def test_path_is_that_of_the_engine() -> None:
    assert (Path(engine_path()) / "lifecycle.py").is_file()
