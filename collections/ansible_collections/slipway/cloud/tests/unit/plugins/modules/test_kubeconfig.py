# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.slipway.cloud.plugins.modules import kubeconfig

if t.TYPE_CHECKING:
    import pathlib

SOURCE = """\
current-context: slipway
clusters: [{name: slipway, cluster: {server: "https://10.77.0.11:6443"}}]
users: [{name: slipway, user: {token: secret}}]
contexts: [{name: slipway, context: {cluster: slipway, user: slipway}}]
"""
OWN = "users: [{name: other, user: {token: other}}]\n"
FOREIGN = "clusters: [{name: mine, cluster: {server: 'https://other'}}]\n"

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "kube" / "config"


@pytest.fixture
def run(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the module with KUBECONFIG as a user may have it."""
    source = tmp_path / "source"
    source.write_text(SOURCE)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/kube/config:/second")

    def run_module(**options: t.Any) -> dict[str, t.Any]:
        with patch_module_args({"src": str(source), "name": "mine", **options}), pytest.raises(SystemExit):
            kubeconfig.main()
        return t.cast(dict[str, t.Any], json.loads(capsys.readouterr().out))

    return run_module


def test_writes_the_users_own_file_once(run: Run, path: pathlib.Path) -> None:
    assert run()["changed"]
    assert not run()["changed"]
    assert yaml.safe_load(path.read_text())["current-context"] == "mine"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["config"]


def test_keeps_what_was_there_and_follows_a_link(run: Run, path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text(OWN)
    target.chmod(0o644)
    path.parent.mkdir()
    path.symlink_to(target)

    run()

    assert path.is_symlink()
    assert [user["name"] for user in yaml.safe_load(target.read_text())["users"]] == ["other", "mine"]
    assert target.stat().st_mode & 0o777 == 0o600


def test_takes_it_out_again_and_leaves_no_empty_file(run: Run, path: pathlib.Path) -> None:
    run()
    assert run(state="absent", name=None)["changed"]
    assert not path.exists()
    assert not run(state="absent", name=None)["changed"]


def test_takes_nothing_out_where_there_was_no_kubernetes(run: Run, path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    run()
    (tmp_path / "source").unlink()
    assert not run(state="absent", name=None)["changed"]
    assert path.exists()


def test_changes_nothing_in_check_mode(run: Run, path: pathlib.Path) -> None:
    assert run(_ansible_check_mode=True)["changed"]
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (FOREIGN, "another mine among its clusters"),
        ("text", "is no kubeconfig"),
        ("a: [", "is no kubeconfig"),
    ],
)
def test_refuses_and_leaves_the_file_alone(run: Run, path: pathlib.Path, content: str, message: str) -> None:
    path.parent.mkdir()
    path.write_text(content)

    result = run()

    assert result["failed"]
    assert message in result["msg"]
    assert path.read_text() == content
