# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""The processes of a throw-away VM, which its cgroup names without doubt, and their end."""

# pylint: disable=ansible-bad-function  # no AnsibleModule is known here, so there is no run_command
from __future__ import annotations

import contextlib
import os
import pathlib
import select
import signal
import subprocess
import time
import typing as t


class StillAliveError(Exception):
    """A process that did not end although it was killed."""


def process_hierarchy(mounts: str) -> pathlib.Path:
    """Return the mount point of the cgroup hierarchy that systemd keeps processes in.

    :param mounts: the text of /proc/mounts. It is the hierarchy called C(systemd) with cgroup v1, else that of v2.
    """
    rows = [line.split() for line in mounts.splitlines()]
    named = [row[1] for row in rows if row[2] == "cgroup" and "name=systemd" in row[3].split(",")]
    unified = [row[1] for row in rows if row[2] == "cgroup2"]
    return pathlib.Path((named + unified)[0])


def _pids(cgroup: pathlib.Path) -> list[int]:
    pids = []
    for path in cgroup.glob("**/cgroup.procs"):
        with contextlib.suppress(OSError):
            pids += [int(line) for line in path.read_text(encoding="ascii").split()]
    return pids


def _is_init(pid: int) -> bool:
    """Whether the process is pid 1 of a pid namespace below this one."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("NSpid:"):
                return line.split()[2:] == ["1"]
    return False


class Processes:
    """The processes of the VM ``name``: the launcher, systemd-nspawn (the supervisor) and what runs inside."""

    def __init__(self, name: str) -> None:
        top = process_hierarchy(pathlib.Path("/proc/mounts").read_text(encoding="utf-8"))
        self._cgroup = top / name
        self._launcher = top / f"{name}-launcher"
        self._launched: subprocess.Popen[bytes] | None = None

    @property
    def launcher(self) -> list[int]:
        """The launcher, if it is alive."""
        return _pids(self._launcher)

    @property
    def init(self) -> int | None:
        """The VM's pid 1, as this machine numbers it."""
        return next(filter(_is_init, _pids(self._cgroup / "payload" / "init.scope")), None)

    @property
    def all(self) -> list[int]:
        """Every process of the VM."""
        return _pids(self._launcher) + _pids(self._cgroup)

    @property
    def complete(self) -> bool:
        """Whether the VM runs and is looked after: without its supervisor or launcher it would not come back."""
        return bool(self.launcher and _pids(self._cgroup / "supervisor") and self.init)

    @property
    def ended(self) -> bool:
        """Whether the launcher that launch() started has ended."""
        return self._launched is not None and self._launched.poll() is not None

    def launch(self, command: t.Sequence[str], console: pathlib.Path) -> None:
        """Start the launcher in a session of its own, which outlives this process; ``console`` gets what it says."""
        with open(console, "wb") as output:
            self._launched = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
                env={**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"},
            )

    def kill(self, timeout: float = 20.0) -> None:
        """End the VM as if the plug were pulled, and return when nothing of it is alive; StillAliveError otherwise.

        The launcher goes first, so that it starts nothing again; with init the kernel kills all that runs inside.
        """
        deadline = time.monotonic() + timeout
        _kill(self.launcher, deadline)
        _kill([self.init] if self.init else [], deadline)
        while pids := self.all:
            _kill(pids, deadline)


def _kill(pids: t.Iterable[int], deadline: float) -> None:
    with contextlib.ExitStack() as stack:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                stack.callback(os.close, descriptor)
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                _wait(pid, descriptor, deadline)


def _wait(pid: int, descriptor: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise StillAliveError(f"process {pid} was killed but does not end")
