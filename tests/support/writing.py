"""The recording writers of tests/faults before Redis on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.faults import checker, pods, writer
from tests.faults.history import History, parsed
from tests.faults.run import PROGRAM
from tests.faults.writer import Client, Plan
from tests.support.processes import beside
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AWARE = Client("aware", "sentinel", writers=8, rate=240.0)
UNSURE = Client("unsure", "sentinel", writers=8, rate=240.0, wait=0)
EARLY = Client("early", "sentinel", writers=2, rate=20.0, wait=0, early=True)


@dataclass
class Writing:
    """Writers as a process of their own, as in a pod, and what Redis has of them in the end."""

    plan: Plan
    home: Path
    secret: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the program is told."""
        return {**os.environ, "FAULTS_SECRET": str(self.secret)}

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Have them write meanwhile."""
        self.home.mkdir()
        file = self.home / "plan.json"
        file.write_text(pods.document(self.plan))
        command = [sys.executable, str(PROGRAM), "write", str(file), str(self.home), "--stay"]
        with beside(command, log=self.home / "log", env=self.environment):
            yield
            (self.home / "stop").touch()
            eventually((self.home / "done").exists, within=10, what="writers end")

    def last(self, client: str) -> float:
        """When the last write of a client was acknowledged."""
        path = self.home / "status"
        return float(json.loads(path.read_text()).get(client, {}).get("last", 0.0)) if path.exists() else 0.0

    def acks(self, client: str) -> int:
        """How many were."""
        path = self.home / "status"
        return int(json.loads(path.read_text()).get(client, {}).get("acks", 0)) if path.exists() else 0

    def write(self, client: str, count: int) -> None:
        """Wait until so many more are acknowledged."""
        before = self.acks(client)
        eventually(lambda: self.acks(client) >= before + count, within=20, what=f"{count} writes", every=0.05)

    def resumed(self, client: str) -> None:
        """Wait until writes that are sent from now on are acknowledged."""
        since = time.time() + writer.ANSWER
        eventually(lambda: self.last(client) > since, within=20, what="acknowledged again", every=0.05)

    @property
    def history(self) -> History:
        """What they recorded."""
        path = self.home / "journal"
        return parsed(path.read_text().splitlines(keepends=True) if path.exists() else [])

    def stored(self) -> dict[tuple[str, int], list[int]]:
        """What Redis has of them."""
        command = [sys.executable, str(PROGRAM), "stored", str(self.home / "plan.json")]
        answer = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        lists: dict[str, Any] = json.loads(answer.stdout)
        return {(client, number): found for client, each in lists.items() for number, found in enumerate(each)}

    def verdict(self, client: str) -> checker.Verdict:
        """What the checker says of one client."""
        lists = {who: numbers for who, numbers in self.stored().items() if who[0] == client}
        return checker.judge_lists(self.history.of(client), lists)
