"""A port-forward that breaks is opened again to another worker, and none outlives whoever opened it.

In place of kubectl runs a program that reads its answers from files and passes on what comes to its port.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from slipway.v1 import clusters_pb2 as pb
from slipwayctl.calls import Clusters
from slipwayctl.connection import Access, Connection, ForwardedRoute
from slipwayctl.errors import CallFailedError, NoWorkerError, SetupError
from slipwayctl.kubectl import Kubectl

from tests.support.waiting import eventually
from tests.unit.slipwayctl.double import Double, served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PROGRAM = """
import asyncio, json, os, sys
from pathlib import Path

home = Path(__file__).parent
words = [word for word in sys.argv[1:] if not word.startswith("-")]

async def passed_on(pod):
    async def join(reader, writer):
        there = await asyncio.open_connection("127.0.0.1", json.loads((home / "ports").read_text())[pod])
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer), return_exceptions=True)

    async def copy(source, target):
        while data := await source.read(65536):
            target.write(data)
        target.close()

    server = await asyncio.start_server(join, "127.0.0.1")
    with (home / "opened").open("a") as opened:
        opened.write(f"{pod} {os.getpid()}\\n")
    print(f"Forwarding from 127.0.0.1:{server.sockets[0].getsockname()[1]} -> 50051", flush=True)
    await server.serve_forever()

if words[0] == "get":
    print((home / words[1].partition(".")[0]).read_text())
else:
    asyncio.run(passed_on(words[1].partition("/")[2]))
"""


class Cluster:
    """What the program knows."""

    def __init__(self, home: Path, tls: Path) -> None:
        self.home = home
        program = home / "kubectl"
        program.write_text(f"#!{sys.executable}\n{PROGRAM}")
        program.chmod(0o755)
        (home / "opened").touch()
        files = {
            name: base64.b64encode((tls / name).read_bytes()).decode() for name in ("ca.crt", "tls.crt", "tls.key")
        }
        (home / "secret").write_text(json.dumps({"data": files}))
        self.kubectl = Kubectl(program=str(program), options=(), namespace="slipway")

    def workers(self, **ports: int) -> None:
        """Say which pods are ready, and where they listen."""
        (self.home / "ports").write_text(json.dumps(ports))
        endpoints = [{"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": pod}} for pod in ports]
        slices = {"items": [{"ports": [{"name": "grpc", "port": 50051}], "endpoints": endpoints}]}
        (self.home / "endpointslices").write_text(json.dumps(slices))

    def opened(self) -> list[tuple[str, int]]:
        """The pods that a port was opened to, in order, and the processes."""
        rows = [line.split() for line in (self.home / "opened").read_text().splitlines()]
        return [(pod, int(pid)) for pod, pid in rows]

    def by(self, use: Callable[[Clusters], Awaitable[Any]]) -> Any:
        """Use the calls through port-forwards."""

        async def used() -> Any:
            connection = Connection(ForwardedRoute(self.kubectl, Access()))
            async with contextlib.aclosing(connection):
                return await use(Clusters(connection))

        return asyncio.run(used())


@pytest.fixture
def cluster(tmp_path: Path, tls: Path) -> Cluster:
    return Cluster(tmp_path, tls / "client")


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_call_goes_on_at_another_worker(cluster: Cluster, double: Double, tls: Path) -> None:
    def break_off(_: Any, context: Any) -> None:
        os.kill(cluster.opened()[0][1], signal.SIGKILL)
        eventually(lambda: not context.is_active(), within=10, what="the call is lost")

    double.faults["create"].append(break_off)
    request = pb.CreateClusterRequest(name="demo", request_id="r")
    with served(double, tls / "server") as one, served(double, tls / "server") as two:
        cluster.workers(a=one, b=two)
        answer = cluster.by(lambda clusters: clusters.create(request, 20))
    assert answer.cluster.state == pb.RUNNING
    assert double.asked(pb.CreateClusterRequest) == [request, request]
    assert sorted(pod for pod, _ in cluster.opened()) == ["a", "b"]
    assert all(gone(pid) for _, pid in cluster.opened())


def test_the_first_worker_is_waited_for(cluster: Cluster, double: Double, tls: Path) -> None:
    async def use(clusters: Clusters) -> None:
        asked = asyncio.create_task(clusters.list(within=20))
        await asyncio.sleep(1)
        cluster.workers(a=one)
        await asyncio.wait_for(asked, 5)

    cluster.workers()
    with served(double, tls / "server") as one:
        cluster.by(use)


def test_no_worker_gets_ready(cluster: Cluster) -> None:
    cluster.workers()
    with pytest.raises((NoWorkerError, CallFailedError), match="No worker is ready") as caught:
        cluster.by(lambda clusters: clusters.list(within=1))
    assert caught.value.remedy.endswith("kubectl --namespace=slipway get pods")


def test_no_answer_from_kubernetes_at_first(cluster: Cluster) -> None:
    (cluster.home / "kubectl").write_text("#!/bin/sh\necho 'the connection was refused' >&2; exit 1\n")
    with pytest.raises(SetupError, match="cannot be looked up: the connection was refused"):
        cluster.by(lambda clusters: clusters.list(within=20))


def test_none_outlives_a_killed_driver(cluster: Cluster) -> None:
    cluster.workers(a=1)
    script = f"""
import asyncio
from slipwayctl.kubectl import Kubectl, Worker
async def main():
    await Kubectl(program={cluster.kubectl.program!r}, options=(), namespace="x").forward(Worker("a", 1))
    await asyncio.sleep(60)
asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    ((_, pid),) = eventually(cluster.opened, within=20, what="the port is open")
    process.kill()
    process.wait()
    eventually(lambda: gone(pid), within=5, what="the port-forward is gone")
