# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the lookup plugin package_path."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.slipway.cloud.plugins.lookup.package_path import package_path


def test_path_is_that_of_the_package() -> None:
    assert (Path(package_path("engine")) / "lifecycle.py").is_file()
    assert (Path(package_path("program")) / "settings.py").is_file()


def test_another_is_refused() -> None:
    with pytest.raises(ValueError, match="package_path knows engine, program, but was asked for 'modules'"):
        package_path("modules")
