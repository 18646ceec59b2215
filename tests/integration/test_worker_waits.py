"""What goes on while callers wait: the API server goes away, certificates change, the worker is told to end."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from slipway.v1 import clusters_pb2 as pb

from tests.support.authority import Authority
from tests.support.waiting import eventually
from tests.support.worker import READY, Client, refused
from tests.support.worker_away import away, begun, create
from tests.support.worker_site import unique

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.worker_site import Site

TIMEOUT = 30.0
INACTIVITY = 2.0
AWAY = 8.0
WAITS = 100
DRAIN = 2.0


def test_api_server_is_away_for_a_while(site: Site) -> None:
    print(away(site, seconds=AWAY, inactivity=INACTIVITY))


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
        waits = {name: begun(site, mine, name, timeout=TIMEOUT) for name in (short, long)}
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
