# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are written only where they differ."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ansible_collections.slipway.cloud.plugins.modules.files import File

WANTED = File(Path("f"), "a = 1\n", 0o644)


@pytest.mark.parametrize(
    ("content", "mode", "same"),
    [("a = 1\n", 0o644, True), ("a = 2\n", 0o644, False), ("a = 1\n", 0o600, False), ("a = 1", 0o644, False)],
)
def test_compare(tmp_path: Path, content: str, mode: int, same: bool) -> None:
    File(tmp_path / "f", content, mode).write()
    assert (File.at(tmp_path / "f") == File(tmp_path / "f", WANTED.content, WANTED.mode)) is same


def test_write(tmp_path: Path) -> None:
    path = tmp_path / "a/b/f"
    assert File.at(path) == File(path)
    File(path, "secret\n", 0o600).write()
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("secret\n", 0o600)
    assert [entry.name for entry in path.parent.iterdir()] == ["f"]
