"""`make up` and `make down` of a set of VMs, also killed in the middle."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from ansible_collections.slipway.cloud.plugins.module_utils._vm_set import layout
from tests.support.ansible import Run, run
from tests.support.paths import CACHE
from tests.support.waiting import eventually

MARK = "SLIPWAY_TEST_RUN"
GUESS = 70.0


@dataclass(frozen=True)
class Make:
    """The two targets for one set; every process they start carries `mark` in its environment."""

    vm_set: str
    mark: str = field(default_factory=lambda: uuid4().hex)

    @property
    def up_seconds(self) -> float:
        """How long the last whole `make up` from nothing took here, or a guess."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return float(self._seconds.read_text())
        return GUESS

    def up(self) -> Run:
        """Run `make up` to its end; how long it takes from nothing is remembered."""
        from_nothing = not (CACHE / "vms" / self.vm_set).exists()
        answer = run(self._command("up"), env={MARK: self.mark}, timeout=900)
        if from_nothing and answer.code == 0:
            self._seconds.parent.mkdir(parents=True, exist_ok=True)
            self._seconds.write_text(f"{answer.seconds:.1f}")
        return answer

    def down(self) -> Run:
        """Run `make down` to its end."""
        return run(self._command("down"), env={MARK: self.mark}, timeout=120)

    def up_killed_after(self, seconds: float) -> str:
        """Run `make up` and kill it and all that it started, VMs too; return what it had said."""
        said = run(self._command("up"), env={MARK: self.mark}, timeout=seconds).output
        self.processes.kill()
        return said

    @property
    def processes(self) -> Processes:
        """What the targets started and still runs, and everything in the VMs of the set."""
        return Processes(self.mark, vm_set=self.vm_set)

    def _command(self, target: str) -> list[str]:
        return ["make", target, f"VM_SET={self.vm_set}"]

    @property
    def _seconds(self) -> Path:
        return CACHE / "tests" / f"up-{self.vm_set}.seconds"


@dataclass(frozen=True)
class Processes:
    """Every process with a mark in its environment, what it started, and those of a set of VMs."""

    mark: str
    vm_set: str | None = None

    def alive(self) -> dict[int, str]:
        """Their pids and command lines."""
        table = _process_table()
        ours = {pid for pid in table if self._is_ours(pid)}
        while children := {pid for pid, parent in table.items() if parent in ours} - ours:
            ours |= children
        return {pid: _read(pid, "cmdline").replace("\0", " ").strip() for pid in ours}

    def kill(self) -> None:
        """Kill all these processes by SIGKILL, and what they start meanwhile."""
        eventually(self._kill_once, within=30, what="everything killed", every=0.01)

    def _kill_once(self) -> bool:
        alive = self.alive()
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not alive, f"still there: {alive}"
        return True

    def _is_ours(self, pid: int) -> bool:
        """Judge by the mark; a VM's processes have only their cgroup, and shared SSH connections only their title."""
        if f"{MARK}={self.mark}" in _read(pid, "environ"):
            return True
        if self.vm_set is None:
            return False
        title = _read(pid, "cmdline")
        return f"/{layout(self.vm_set).prefix}node" in _read(pid, "cgroup") or (
            title.startswith("ssh: ") and f"/vms/{self.vm_set}/" in title
        )


def _process_table() -> dict[int, int]:
    """Each process that is not a zombie, and its parent."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _read(int(entry.name), "stat").rpartition(") ")[2].split()
            if fields and fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    return parents


def _read(pid: int, name: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    return ""
