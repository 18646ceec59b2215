"""Clients that list without end, so that the API server has a core's worth to do. Also a program: those clients."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.slipway.cloud.plugins.module_utils.engine import client
from tests.support.kubernetes import succeed
from tests.support.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.kubernetes import Kubernetes

# Long answers that the server has to write anew each time.
LISTS = ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/api/v1/pods", "/api/v1/events")
THREADS = 6
TICKS = 100  # of a second, in which Linux counts what a process uses


@dataclass
class Load:
    """What the API server has used since the load began."""

    kubernetes: Kubernetes
    _used: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """Count from now on."""
        self._used, self._began = cpu_seconds(self.kubernetes), time.monotonic()

    @property
    def cores(self) -> float:
        """How many cores the API server has kept busy since then."""
        return (cpu_seconds(self.kubernetes) - self._used) / (time.monotonic() - self._began)


def cpu_seconds(kubernetes: Kubernetes) -> float:
    """The CPU time that the API server has used since it was started."""
    control_plane = next(iter(kubernetes.addresses))
    answer = succeed(kubernetes.on_node(control_plane, "sh", "-c", "cat /proc/$(pidof kube-apiserver)/stat"))
    fields = answer.output.rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def api_load(kubernetes: Kubernetes) -> Iterator[Load]:
    """Keep the API server busy, and yield how busy it is once the clients are at work."""
    command = [sys.executable, "-m", "tests.support.api_load", str(kubernetes.kubeconfig)]
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], cwd=CHECKOUT, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline(), "the clients that list have ended"
        load = Load(kubernetes)
        load.begin()
        yield load
    finally:
        process.kill()
        process.wait()


def list_for_ever(kubeconfig: str) -> None:
    """List, read what comes and throw it away; say when all clients are at work."""
    started = threading.Barrier(THREADS, action=lambda: print("listing", flush=True))
    with client.connect(client.Connection(kubeconfig=kubeconfig)) as connected:
        threads = [threading.Thread(target=_list, args=(connected, started), daemon=True) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _list(connected: client.Client, started: threading.Barrier) -> None:
    channel = connected.channel()
    started.wait()
    for path in itertools.cycle(LISTS):
        with contextlib.closing(channel.watch(path, {}, action=f"list {path}", read_timeout=30)) as answer:
            for _chunk in answer:
                pass


if __name__ == "__main__":
    list_for_ever(sys.argv[1])
