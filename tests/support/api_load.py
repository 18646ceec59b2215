"""Clients that list without end, so that the API server has a core's worth to do. Also a program: those clients.

The VMs and whoever tests share two cores fairly, which leaves the API server about half of one. So its VM is preferred
meanwhile, and so are the clients: all others, the engine above all, have to do with what is left.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import yaml

from tests.support.kubernetes import succeed
from tests.support.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.kubernetes import Kubernetes

# Their list is a long answer, which the server has to write and to compress each time; to read it costs little.
OBJECTS, NUMBERS = 40, 16_000
CLIENTS = 8
TICKS = 100  # of a second, in which Linux counts what a process uses
NICE = -15  # as much of the processor for the clients, see sched(7)
SHARES = 16  # of the processor for the control plane's VM, where others have one


@dataclass
class Load:
    """What the API server has used since the load began."""

    kubernetes: Kubernetes
    used: float
    began: float = field(default_factory=time.monotonic)

    @property
    def cores(self) -> float:
        """How many cores the API server has kept busy since then."""
        return (cpu_seconds(self.kubernetes) - self.used) / (time.monotonic() - self.began)


@contextlib.contextmanager
def preferred(node: str) -> Iterator[None]:
    """Give a VM more of the processor than others get."""
    shares = Path("/sys/fs/cgroup/cpu") / node / "cpu.shares"
    fair = shares.read_text()
    shares.write_text(str(SHARES * int(fair)))
    try:
        yield
    finally:
        shares.write_text(fair)


def cpu_seconds(kubernetes: Kubernetes) -> float:
    """The CPU time that the API server has used since it was started."""
    answer = succeed(kubernetes.on_node(kubernetes.control_plane, "sh", "-c", "cat /proc/$(pidof kube-apiserver)/stat"))
    fields = answer.output.rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def api_load(kubernetes: Kubernetes) -> Iterator[Load]:
    """Keep the API server busy, and yield how busy it is once the clients are at work."""
    namespace = kubernetes.new_namespace()
    data = {"numbers": " ".join(map(str, range(NUMBERS)))}
    maps = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"long-{number}"}, "data": data}
        for number in range(OBJECTS)
    ]
    with tempfile.NamedTemporaryFile() as file:
        kubernetes.apply(maps, into=Path(file.name), namespace=namespace)
    command = [sys.executable, "-m", "tests.support.api_load", str(kubernetes.kubeconfig), namespace]
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "nice", f"--adjustment={NICE}", *command],
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'collections'}"},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout
        assert process.stdout.readline(), "the clients that list have ended"
        with preferred(kubernetes.control_plane):
            yield Load(kubernetes, cpu_seconds(kubernetes))
    finally:
        process.kill()
        process.wait()
        kubernetes.kubectl("delete", "namespace", namespace, "--wait=false")


def list_for_ever(kubeconfig: Path, namespace: str) -> None:
    """List, read what comes and throw it away; say when all clients are at work."""
    started = threading.Barrier(CLIENTS, action=lambda: print("listing", flush=True))
    threads = [
        threading.Thread(target=_list, args=(kubeconfig, namespace, started), daemon=True) for _ in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _list(kubeconfig: Path, namespace: str, started: threading.Barrier) -> None:
    host, context = _login(kubeconfig)
    connection = http.client.HTTPSConnection(host, context=context)
    started.wait()
    while True:
        connection.request("GET", f"/api/v1/namespaces/{namespace}/configmaps", headers={"Accept-Encoding": "gzip"})
        connection.getresponse().read()


def _login(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    """The server of a kubeconfig of ours and its client certificate."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as pair:
        for part in ("client-certificate-data", "client-key-data"):
            pair.write(base64.b64decode(user[part]))
        pair.flush()
        context.load_cert_chain(pair.name)
    return urlsplit(cluster["server"]).netloc, context


if __name__ == "__main__":
    list_for_ever(Path(sys.argv[1]), sys.argv[2])
