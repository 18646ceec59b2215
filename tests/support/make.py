"""`make up` and `make down` of a set of VMs, also killed in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from bisect import bisect
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from ansible_collections.slipway.cloud.plugins.module_utils._vm_set import layout
from tests.support.ansible import Run, clean_environment, run
from tests.support.paths import CACHE, CHECKOUT
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = "SLIPWAY_TEST_RUN"
GUESS = [float(second) for second in range(70)]
TICK = 0.05
LONGEST = 900.0


@dataclass(frozen=True)
class Moment:
    """So many seconds into a step of a run: the same place on a faster machine. Step 0 is what precedes all tasks."""

    step: int
    seconds: float

    def is_past(self, times: Sequence[float], now: float) -> bool:
        """Whether it is, in a run whose steps began at these times; at the latest when the next step begins."""
        return len(times) > self.step + 1 or (len(times) > self.step and now >= times[self.step] + self.seconds)


def moment(times: Sequence[float], share: float) -> Moment:
    """The moment at this share, from 0 to 1, of a whole run: when each of its steps began, and when the last ended."""
    at = share * times[-1]
    step = bisect(times, at) - 1
    return Moment(step, at - times[step])


@dataclass(frozen=True)
class Make:
    """The two targets for one set; every process they start carries `mark` in its environment."""

    vm_set: str
    mark: str = field(default_factory=lambda: uuid4().hex)

    def up(self) -> Run:
        """Run `make up` to its end; the times of its steps are remembered where it began with nothing."""
        from_nothing = not (CACHE / "vms" / self.vm_set).exists()
        answer, times = self._up(None)
        if from_nothing and answer.code == 0:
            self._times.parent.mkdir(parents=True, exist_ok=True)
            self._times.write_text(json.dumps([*times, answer.seconds]))
        return answer

    def up_killed_at(self, share: float) -> str:
        """Run `make up`, at this share of it kill it and all that it started, VMs too; return when it was."""
        when = moment(self._last_times(), share)
        answer, _ = self._up(when)
        last = next((line for line in reversed(answer.output.splitlines()) if line.startswith("TASK")), "no task")
        return f"killed after {answer.seconds:.1f} s ({last.strip('* ')})"

    def down(self) -> Run:
        """Run `make down` to its end."""
        return run(self._command("down"), env={MARK: self.mark}, timeout=120)

    @property
    def processes(self) -> Processes:
        """What the targets started and still runs, and everything in the VMs of the set."""
        return Processes(self.mark, vm_set=self.vm_set)

    def _command(self, target: str) -> list[str]:
        return ["make", target, f"VM_SET={self.vm_set}"]

    def _up(self, until: Moment | None) -> tuple[Run, list[float]]:
        """Run `make up` to its end or to this moment; return what it said and when its steps began."""
        began = time.monotonic()
        environment = {**clean_environment(), "ANSIBLE_NOCOLOR": "1", MARK: self.mark}
        times = [0.0]
        with tempfile.NamedTemporaryFile() as output:
            said = Path(output.name)  # a reading position of its own: the command would move with that of `output`
            process = subprocess.Popen(
                self._command("up"),
                env=environment, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
            code = None
            while code is None and (seconds := time.monotonic() - began) < LONGEST:
                times += [seconds] * (1 + said.read_text(errors="replace").count("\nTASK [") - len(times))
                if until and until.is_past(times, seconds):
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = process.wait(TICK)
            if until or code is None:
                self.processes.kill()
                code = process.wait()
            return Run(code, said.read_text(errors="replace"), time.monotonic() - began), times

    def _last_times(self) -> list[float]:
        """The times of the last whole `make up` from nothing, or a guess."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            times: list[float] = json.loads(self._times.read_text())
            return times
        return GUESS

    @property
    def _times(self) -> Path:
        return CACHE / "tests" / f"up-{self.vm_set}.json"


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
