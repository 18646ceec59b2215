# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What a throw-away VM keeps on this machine's disk: the layers of its own disk, and the keys of its set."""

# pylint: disable=ansible-bad-function  # no AnsibleModule is known here, so there is no run_command
from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import typing as t

from ._space import require_space
from ._vm import File, data_name

# Measured: a node's images and containers take 1.1 to 1.6 GB.
_NEED_MIB = 3000
_LAYERS = ("root", "upper", "work")


@contextlib.contextmanager
def locked(path: pathlib.Path) -> t.Iterator[None]:
    """Hold an exclusive lock on a file, which is made if it is missing; its directory is never made."""
    try:
        lock = open(path, "w", encoding="utf-8")  # noqa: SIM115 - held below
    except FileNotFoundError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Keys:
    """What a set needs for SSH: the pair that logs in, its VMs' host key, and the known_hosts that vouches for it."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory

    def make(self, hosts: str) -> None:
        """Make all of it at once, unless it is there; ``hosts`` are the patterns of known_hosts."""
        with locked(self._directory.with_name(".ssh.lock")):
            if self._directory.exists():
                return
            staging = self._directory.with_name(".ssh.new")
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(mode=0o700)
            for name in ("id_ed25519", "ssh_host_ed25519_key"):
                command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "slipway", "-f", str(staging / name)]
                subprocess.run(command, check=True)
            host_key = (staging / "ssh_host_ed25519_key.pub").read_text(encoding="utf-8")
            (staging / "known_hosts").write_text(f"{hosts} {host_key}", encoding="utf-8")
            staging.rename(self._directory)

    def read(self, name: str) -> str:
        """Return the text of one of the files."""
        return (self._directory / name).read_text(encoding="utf-8")

    def disconnect(self, name: str) -> None:
        """End the shared connection that Ansible keeps open to a VM, by the socket that the inventory names."""
        control = self._directory / name
        if control.exists():
            command = ["ssh", "-o", f"ControlPath={control}", "-O", "exit", name]
            subprocess.run(command, check=False, capture_output=True)
            control.unlink(missing_ok=True)


class Disk:
    """A VM's disk: an overlay over a base that VMs share, and directories that cannot be on it."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self._base = directory / "base"

    @property
    def exists(self) -> bool:
        """Whether there is anything of it."""
        return self.directory.exists()

    @property
    def base(self) -> str | None:
        """The base that the disk was made from, or None before it was made."""
        return os.readlink(self._base) if self._base.is_symlink() else None

    @property
    def orphaned(self) -> bool:
        """Whether the base is gone: without it, the disk is worth nothing."""
        return self._base.is_symlink() and not self._base.exists()

    def binds(self, paths: t.Iterable[str]) -> dict[str, str]:
        """Return the directories of this machine that hold ``paths`` of the VM, by path."""
        return {path: str(self.directory / "data" / data_name(path)) for path in paths}

    def make(self, base: str, data: t.Iterable[str]) -> bool:
        """Make what is missing of it; return whether anything was."""
        if not self.exists:
            require_space(self.directory, _NEED_MIB, f"VM {self.directory.name}")
        wanted = [self.directory / layer for layer in _LAYERS] + [pathlib.Path(p) for p in self.binds(data).values()]
        missing = [path for path in wanted if not path.is_dir()]
        for path in missing:
            path.mkdir(parents=True)
        if self.base is None:
            self._base.symlink_to(base)
        return bool(missing)

    def write(self, files: t.Mapping[str, File], *, init: int | None) -> bool:
        """Give the VM these files; return whether any was changed.

        :param init: the VM's pid 1 while it runs: an upper layer must not be changed below a mounted overlay.
        """
        root = pathlib.Path(f"/proc/{init}/root") if init else self.directory / "upper"
        written = [path for path, file in files.items() if _write(root, path, file)]
        return bool(written)

    def remove(self) -> None:
        """Remove all of it."""
        if self.exists:
            shutil.rmtree(self.directory)


def _write(root: pathlib.Path, path: str, file: File) -> bool:
    place = root / path.lstrip("/")
    if _same(place, file):
        return False
    for parent in reversed(pathlib.PurePosixPath(path).parents[:-1]):
        (root / parent.relative_to("/")).mkdir(mode=0o700 if parent.parts[1] == "root" else 0o755, exist_ok=True)
    staging = place.with_name(f".{place.name}.new")
    staging.unlink(missing_ok=True)
    if file.target:
        staging.symlink_to(file.target)
    else:
        staging.touch(mode=0o600)
        staging.write_text(file.content, encoding="utf-8")
        staging.chmod(file.mode)
    staging.rename(place)
    return True


def _same(place: pathlib.Path, file: File) -> bool:
    try:
        if file.initial:
            return place.exists()
        if file.target:
            return os.readlink(place) == file.target
        return place.stat().st_mode & 0o7777 == file.mode and place.read_text(encoding="utf-8") == file.content
    except OSError:
        return False
