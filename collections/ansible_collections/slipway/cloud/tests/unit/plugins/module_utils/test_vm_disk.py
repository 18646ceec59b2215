# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils import _vm_disk
from ansible_collections.slipway.cloud.plugins.module_utils._space import SpaceError
from ansible_collections.slipway.cloud.plugins.module_utils._vm import File
from ansible_collections.slipway.cloud.plugins.module_utils._vm_disk import Disk, locked

DATA = ["/var/lib/etcd"]


@pytest.fixture
def base(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "base"
    path.mkdir()
    return path


@pytest.fixture
def disk(tmp_path: pathlib.Path, base: pathlib.Path) -> Disk:
    disk = Disk(tmp_path / "x-node1")
    disk.make(str(base), DATA)
    return disk


def test_a_disk_is_made_once(disk: Disk, base: pathlib.Path) -> None:
    assert sorted(path.name for path in disk.directory.iterdir()) == ["base", "data", "root", "upper", "work"]
    assert disk.base == str(base)
    assert not disk.make("/another/base", DATA)
    assert disk.base == str(base)


@pytest.mark.parametrize("missing", ["upper", "work", "root", "data/var-lib-etcd"])
def test_a_half_made_disk_is_completed(disk: Disk, base: pathlib.Path, missing: str) -> None:
    (disk.directory / missing).rmdir()
    assert disk.make(str(base), DATA)
    assert (disk.directory / missing).is_dir()


def test_a_disk_without_its_base_is_an_orphan(disk: Disk, base: pathlib.Path) -> None:
    assert not disk.orphaned
    base.rmdir()
    assert disk.orphaned


def test_no_room(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_vm_disk, "_NEED_MIB", 2**40)
    with pytest.raises(SpaceError, match="VM x-node1 needs"):
        Disk(tmp_path / "x-node1").make("/base", DATA)
    assert not (tmp_path / "x-node1").exists()


FILES = {
    "/etc/hostname": File("x\n"),
    "/root/.ssh/authorized_keys": File("key\n", 0o600),
    "/etc/x.timer": File(target="/dev/null"),
}


def test_files_are_written_once(disk: Disk) -> None:
    upper = disk.directory / "upper"
    assert disk.write(FILES, init=None)
    assert (upper / "etc/hostname").read_text(encoding="utf-8") == "x\n"
    assert (upper / "etc/x.timer").readlink() == pathlib.Path("/dev/null")
    assert (upper / "root/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600
    assert (upper / "root").stat().st_mode & 0o777 == 0o700
    assert not disk.write(FILES, init=None)


@pytest.mark.parametrize(
    ("path", "file"),
    [
        pytest.param("/etc/hostname", File("y\n"), id="content"),
        pytest.param("/etc/hostname", File("x\n", 0o600), id="mode"),
        pytest.param("/etc/x.timer", File(target="/etc/other"), id="target"),
        pytest.param("/etc/x.timer", File("x\n"), id="a file for a link"),
        pytest.param("/etc/hostname", File(target="/dev/null"), id="a link for a file"),
    ],
)
def test_what_differs_is_written_again(disk: Disk, path: str, file: File) -> None:
    disk.write(FILES, init=None)
    assert disk.write({path: file}, init=None)
    assert not disk.write({path: file}, init=None)


def test_an_initial_file_is_left_to_the_vm(disk: Disk) -> None:
    hosts = {"/etc/hosts": File("ours\n", initial=True)}
    assert disk.write(hosts, init=None)
    (disk.directory / "upper/etc/hosts").write_text("ours\nand theirs\n", encoding="utf-8")
    assert not disk.write(hosts, init=None)


def test_a_lock_makes_no_directory(tmp_path: pathlib.Path) -> None:
    with locked(tmp_path / "missing" / "lock"):
        assert list(tmp_path.iterdir()) == []
