# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what is said of a bundle that is not as it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._bundle import Bundle, BundleError
from ansible_collections.slipway.cloud.plugins.modules.bundle_manifest import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle with one tool of two programs."""
    bundle = Bundle(tmp_path / "bundle")
    with bundle.staging() as staging:
        programs = [staging.path / "a", staging.path / "b"]
        for program in programs:
            program.write_text(program.name)
        bundle.install_tool("tool", programs, version="1", source="source", inputs="1")
    return bundle


def verify(bundle: Bundle) -> None:
    """Verify as the module does."""
    run({"path": str(bundle.root), "state": "verified"}, check_mode=False)


def repair(bundle: Bundle, *, check_mode: bool = False) -> list[str]:
    """Repair as the module does and return what was removed."""
    params = {"path": str(bundle.root), "state": "repaired", "tools": ["tool"], "images": []}
    result = run(params, check_mode=check_mode)
    assert result["changed"] == bool(result["removed"])
    removed: list[str] = result["removed"]
    return removed


def test_whole_bundle(bundle: Bundle) -> None:
    verify(bundle)
    assert repair(bundle) == []


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (["a"], r"/bundle/bin/a has changed since it was made: run `make bundle`\.$"),
        (["b", "a"], r"/bundle/bin/a has changed since it was made \(and 1 more\): run `make bundle`\.$"),
    ],
)
def test_changed_file_is_named(bundle: Bundle, damaged: list[str], message: str) -> None:
    for name in damaged:
        (bundle.root / "bin" / name).write_text("x")
    with pytest.raises(BundleError, match=message):
        verify(bundle)
    assert repair(bundle, check_mode=True) == []
    assert repair(bundle) == ["bin/a", "bin/b"]


def test_missing_file_is_named(bundle: Bundle) -> None:
    (bundle.root / "bin/b").unlink()
    with pytest.raises(BundleError, match=r"/bundle/bin/b is missing: run `make bundle`\.$"):
        verify(bundle)


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"There is no bundle in .*/bundle: run `make bundle`\.$"):
        verify(Bundle(tmp_path / "bundle"))
