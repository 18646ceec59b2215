"""A worker whose API server is away for a while, as those who wait see it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from slipway.v1 import clusters_pb2 as pb

from tests.support.fault_proxy import FaultProxy
from tests.support.simulated import HELD
from tests.support.waiting import eventually
from tests.support.worker import ALIVE, READY, refused
from tests.support.worker_site import unique

if TYPE_CHECKING:
    from tests.support.worker import Client
    from tests.support.worker_site import Site

HELD_SPEC = pb.ClusterSpec(replicas=1, labels={HELD: "yes"})


def create(name: str) -> pb.CreateClusterRequest:
    """A create whose pod is held."""
    return pb.CreateClusterRequest(name=name, spec=HELD_SPEC, request_id=f"of {name}")


def begun(site: Site, client: Client, name: str, *, timeout: float) -> Any:
    """A create that waits, for its pod is held."""
    wait = client.begin(create(name), timeout=timeout)
    eventually(lambda: wait.done() or site.items("pods", name), within=10, what=f"a pod of {name}")
    assert not wait.done()
    return wait


def away(site: Site, *, seconds: float, inactivity: float) -> str:
    """Have the API server refuse the worker for so long; return what was seen. Raises `AssertionError`."""
    names = [unique("away") for _ in range(3)]
    longest = seconds + 50
    with (
        FaultProxy(site.kubernetes) as proxy,
        site.running(1, url=proxy.url, INACTIVITY=str(inactivity)) as [worker],
        site.client(worker) as client,
    ):
        patient, late, impatient = (
            begun(site, client, name, timeout=timeout)
            for name, timeout in zip(names, (longest, longest, seconds / 2), strict=True)
        )
        pid = worker.pid
        with proxy.refusing():
            gone = time.monotonic()
            site.release(names[0], 1)
            eventually(lambda: worker.health(READY) == "NOT_SERVING", within=3 * inactivity, what="it says so")
            said = time.monotonic() - gone
            assert worker.health(ALIVE) == "SERVING"
            assert refused(impatient.result).code == "DEADLINE_EXCEEDED"
            refusal = refused(lambda: client.ask(create(unique("away")), timeout=2))
            assert refusal.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
            eventually(lambda: time.monotonic() - gone >= seconds, within=seconds, what="a while")
            assert not patient.done()
        back = time.monotonic()
        eventually(lambda: worker.health(READY) == "SERVING", within=10, what="it is ready again")
        ready = time.monotonic() - back
        site.release(names[1], 1)
        assert [wait.result().cluster.state for wait in (patient, late)] == [pb.RUNNING] * 2
        assert (worker.process and worker.process.poll(), worker.pid) == (None, pid)
    return f"away for {seconds:g} s: not ready after {said:.1f} s, ready {ready:.1f} s after, waits right"
