"""What goes on while callers wait: the API server goes away, certificates change, the worker is told to end."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

from slipway.v1 import clusters_pb2 as pb

from tests.support.authority import Authority
from tests.support.fault_proxy import FaultProxy
from tests.support.simulated import HELD
from tests.support.waiting import eventually
from tests.support.worker import ALIVE, READY, Client, refused
from tests.support.worker_site import unique

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.worker_site import Site

TIMEOUT = 30.0
INACTIVITY = 2.0
AWAY = 8.0
WAITS = 100
DRAIN = 2.0
HELD_SPEC = pb.ClusterSpec(replicas=1, labels={HELD: "yes"})


def create(name: str) -> pb.CreateClusterRequest:
    return pb.CreateClusterRequest(name=name, spec=HELD_SPEC, request_id=f"of {name}")


def begun(site: Site, client: Client, name: str, *, timeout: float = TIMEOUT) -> Any:
    """A create that waits, for the pod is held."""
    wait = client.begin(create(name), timeout=timeout)
    eventually(lambda: wait.done() or site.items("pods", name), within=10, what=f"a pod of {name}")
    assert not wait.done()
    return wait


def test_api_server_is_away_for_a_while(site: Site) -> None:
    names = [unique("away") for _ in range(3)]
    with (
        FaultProxy(site.kubernetes) as proxy,
        site.running(1, url=proxy.url, INACTIVITY=str(INACTIVITY)) as [worker],
        site.client(worker) as client,
    ):
        patient, late, impatient = (
            begun(site, client, name, timeout=timeout) for name, timeout in zip(names, (60, 60, AWAY / 2), strict=True)
        )
        pid = worker.pid
        with proxy.refusing():
            gone = time.monotonic()
            site.release(names[0], 1)
            eventually(lambda: worker.health(READY) == "NOT_SERVING", within=3 * INACTIVITY, what="it says so")
            assert worker.health(ALIVE) == "SERVING"
            told = refused(impatient.result)
            assert told.code == "DEADLINE_EXCEEDED"
            refusal = refused(lambda: client.ask(create(unique("away")), timeout=2))
            assert refusal.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
            eventually(lambda: time.monotonic() - gone >= AWAY, within=AWAY, what="a while")
            assert not patient.done()
        eventually(lambda: worker.health(READY) == "SERVING", within=10, what="it is ready again")
        site.release(names[1], 1)
        assert [wait.result().cluster.state for wait in (patient, late)] == [pb.RUNNING] * 2
        assert (worker.process and worker.process.poll(), worker.pid) == (None, pid)


def test_hundred_waits_at_once(site: Site) -> None:
    names = [unique("wait") for _ in range(WAITS)]
    with site.running(1) as [worker], site.client(worker) as client:
        waits = [client.begin(create(name), timeout=180) for name in names]
        in_flight = 'slipway_in_flight{method="CreateCluster"}'
        eventually(lambda: worker.metrics().get(in_flight) == WAITS, within=60, what="all wait")
        threads, memory = worker.threads(), worker.memory()
        eventually(lambda: len(site.held(names)) == WAITS, within=60, what="all pods")
        site.release_all(names)
        answers = [wait.result() for wait in waits]
        eventually(lambda: worker.metrics()[in_flight] == 0, within=5, what="none is left")
    print(f"{WAITS} waits: {memory:.0f} MiB, {threads} threads")
    assert {(answer.created, answer.cluster.state) for answer in answers} == {(True, pb.RUNNING)}
    assert threads < WAITS
    assert memory < 120


def put(certificates: Path, into: Path) -> None:
    """Replace certificates as the kubelet does: all at once as far as a reader of one file can tell."""
    for path in certificates.iterdir():
        new = into / f"{path.name}.new"
        shutil.copy(path, new)
        new.rename(into / path.name)


def test_certificates_are_reloaded(site: Site, tmp_path: Path) -> None:
    new = Authority.new("slipway next")
    request = pb.GetClusterRequest(name=unique("none"))
    with site.running(1) as [worker], site.client(worker) as old:
        before = worker.metrics()
        assert refused(lambda: old.get(request, timeout=5)).code == "NOT_FOUND"

        def refusal_of(tls: Path) -> str:
            with Client(worker.address, tls=tls) as client:
                return refused(lambda: client.get(request, timeout=5)).code

        renewed = new.client(tmp_path / "client")
        assert refusal_of(renewed) == "UNAVAILABLE"
        put(new.server(tmp_path / "server"), worker.tls)
        eventually(lambda: refusal_of(renewed) == "NOT_FOUND", within=10, what="the new certificates count")
        assert refusal_of(site.authority.client(tmp_path / "old")) == "UNAVAILABLE"
        still = refused(lambda: old.get(request, timeout=5))  # over the connection that it had
        assert still.code == "NOT_FOUND"
        changed = {name for name, value in worker.metrics().items() if value != before.get(name)}
    assert {name for name in changed if "certificate_end" in name}


def test_certificates_that_are_wrong_are_not_taken(site: Site, tmp_path: Path) -> None:
    with site.running(1) as [worker]:
        for name, content in {"tls.crt": b"no certificate", "ca.crt": b""}.items():
            (tmp_path / name).write_bytes(content)
        put(tmp_path, worker.tls)
        for _ in range(3):
            with site.client(worker) as client:
                absent = pb.GetClusterRequest(name=unique("none"))
                assert refused(lambda: client.get(absent, timeout=5)).code == "NOT_FOUND"  # noqa: B023  (at once)
        assert worker.health(READY) == "SERVING"


def test_told_to_end(site: Site, client: Client) -> None:
    """A wait that is over in time gets its answer, the other one is told to ask again, and another worker answers."""
    short, long = unique("short"), unique("long")
    with site.running(1, DRAIN=str(DRAIN)) as [worker], site.client(worker) as mine:
        waits = {name: begun(site, mine, name) for name in (short, long)}
        worker.terminate()
        eventually(lambda: worker.health(READY) != "SERVING", within=2, what="it is not ready any more")
        site.release(short, 1)
        assert waits[short].result().cluster.state == pb.RUNNING
        assert refused(waits[long].result).code == "UNAVAILABLE"
        assert worker.process
        assert worker.process.wait(DRAIN + 3) == 0
    again = client.begin(create(long), timeout=TIMEOUT)
    site.release(long, 1)
    answer = again.result()
    assert (answer.created, answer.cluster.state) == (True, pb.RUNNING)
