# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is noted can be taken back; units, packages and the kernel's settings are left to the live suites."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.slipway.cloud.plugins.modules import footprint

if t.TYPE_CHECKING:
    import pathlib

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def host(tmp_path: pathlib.Path) -> pathlib.Path:
    """A machine's files, among them some that were there before."""
    root = tmp_path / "host"
    (root / "etc").mkdir(parents=True)
    (root / "etc/theirs.conf").write_text("theirs")
    (root / "etc/theirs.conf").chmod(0o600)
    (root / "etc/link").symlink_to("theirs.conf")
    (root / "data").mkdir()
    (root / "data/theirs").touch()
    return root


@pytest.fixture
def run(tmp_path: pathlib.Path, host: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the module for what :func:`change` will change."""
    written = ("etc/theirs.conf", "etc/link", "etc/ours/a/ours.conf", "opt/shared/ours")
    options = {
        "name": "example",
        "directory": str(tmp_path / "state/before"),
        "files": [f"{host}/{name}" for name in written],
        "directories": [f"{host}/data", f"{host}/run"],
        "shared_directories": [f"{host}/share"],
    }

    def run_module(**others: t.Any) -> dict[str, t.Any]:
        with patch_module_args({**options, **others}), pytest.raises(SystemExit):
            footprint.main()
        return t.cast(dict[str, t.Any], json.loads(capsys.readouterr().out))

    return run_module


def change(host: pathlib.Path) -> None:
    """Do what a role may do, and what somebody else does beside it."""
    shared = ("opt/shared/ours", "opt/shared/foreign")
    for name in ("etc/theirs.conf", "etc/ours/a/ours.conf", *shared, "data/b/c", "run/d", "share/d"):
        (host / name).parent.mkdir(parents=True, exist_ok=True)
        (host / name).write_text("ours")
    (host / "share/d").unlink()
    (host / "data").chmod(0o700)
    (host / "etc/link").unlink()
    (host / "etc/link").write_text("ours")


def tree(host: pathlib.Path) -> dict[str, tuple[int, str]]:
    """The mode and content of everything."""
    return {
        str(path.relative_to(host)): (path.lstat().st_mode, path.read_text() if path.is_file() else "")
        for path in host.rglob("*")
    }


def test_takes_back_what_was_noted_and_nothing_else(run: Run, host: pathlib.Path, tmp_path: pathlib.Path) -> None:
    before = tree(host)
    assert run()["changed"]
    change(host)
    assert not run()["changed"]

    assert run(state="removed", files=[], directories=[])["changed"]

    foreign = {"opt", "opt/shared", "opt/shared/foreign"}
    after = tree(host)
    assert {name: entry for name, entry in after.items() if name not in foreign} == before
    assert foreign <= after.keys()
    assert not (tmp_path / "state").exists()
    assert not run(state="removed")["changed"]


def test_leaves_alone_what_is_not_noted(run: Run, host: pathlib.Path) -> None:
    change(host)
    before = tree(host)
    assert not run(state="removed")["changed"]
    assert tree(host) == before


@pytest.mark.parametrize("state", ["noted", "removed"])
def test_changes_nothing_in_check_mode(run: Run, tmp_path: pathlib.Path, host: pathlib.Path, state: str) -> None:
    if state == "removed":
        run()
        change(host)
    before = tree(tmp_path)
    assert run(state=state, _ansible_check_mode=True)["changed"]
    assert tree(tmp_path) == before


def test_notes_what_comes_later(run: Run, host: pathlib.Path) -> None:
    run(files=[])
    assert run()["changed"]
    change(host)
    run(state="removed")
    assert (host / "etc/theirs.conf").read_text() == "theirs"
