"""The Redis or Sentinel that an agent has started: its only child, whose orphans it buries as the first process."""

from __future__ import annotations

import os
import signal
import subprocess
import typing as t

_KILL_AFTER = 5.0  # seconds beyond what was granted


class Child:
    """A process that ends with this one. Its output is this one's."""

    def __init__(self, command: t.Sequence[str]) -> None:
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL)

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        self._bury()
        return self._process.poll()

    def end(self, within: float) -> int:
        """Ask it to end; kill it if it does not."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(within + _KILL_AFTER)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _bury(self) -> None:
        """Take the exit codes of processes that this one has inherited."""
        while os.getpid() == 1:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None or found.si_pid == self._process.pid:
                return
            os.waitpid(found.si_pid, os.WNOHANG)
