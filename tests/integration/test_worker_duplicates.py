"""Many callers want the same cluster at the same moment, through several workers: there is one, and all are told so."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from slipway.v1 import clusters_pb2 as pb

from tests.support.fault_proxy import FaultProxy
from tests.support.worker_site import unique

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.worker import Worker
    from tests.support.worker_site import Site

pytestmark = pytest.mark.xdist_group("worker")

CALLERS, CALLS = 50, 20
REPLICAS = 3
TIMEOUT = 60.0


@pytest.fixture(scope="module")
def proxy(site: Site) -> Iterator[FaultProxy]:
    """What both workers reach the API server by."""
    with FaultProxy(site.kubernetes) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def pair(site: Site, proxy: FaultProxy) -> Iterator[list[Worker]]:
    """Two workers."""
    with site.running(2, url=proxy.url) as workers:
        yield workers


def answered(worker: Worker) -> float:
    """How many creates it has answered well."""
    counts = {
        name: value for name, value in worker.metrics().items() if name.startswith("slipway_request_seconds_count")
    }
    return sum(value for name, value in counts.items() if 'method="CreateCluster"' in name and 'code="OK"' in name)


@pytest.mark.parametrize("request_id", ["", "the same"], ids=["calls of their own", "one call"])
def test_one_of_a_thousand_creates(site: Site, proxy: FaultProxy, pair: list[Worker], request_id: str) -> None:
    name = unique("one")
    spec = pb.ClusterSpec(replicas=REPLICAS)
    request = pb.CreateClusterRequest(name=name, spec=spec, join=True, request_id=request_id)
    before = [answered(worker) for worker in pair]
    with ExitStack() as stack:
        clients = [stack.enter_context(site.client(*pair)) for _ in range(CALLERS)]
        for call in [client.get.future(pb.GetClusterRequest(name=name), timeout=TIMEOUT) for client in clients]:
            assert call.exception()  # they are connected now
        calls = [client.create.future(request, timeout=TIMEOUT) for _ in range(CALLS) for client in clients]
        answers = [call.result() for call in calls]
    made = [each.status for each in proxy.seen if each.verb == "POST" and "/deployments" in each.path]
    [obj] = site.items("deployments", name)
    uid = obj["metadata"]["uid"]
    assert {(answer.cluster.uid, answer.cluster.state) for answer in answers} == {(uid, pb.RUNNING)}
    assert sum(answer.created for answer in answers) == (CALLERS * CALLS if request_id else 1)
    assert (made.count(201), len(site.items("pods", name))) == (1, REPLICAS)
    shares = [answered(worker) - old for worker, old in zip(pair, before, strict=True)]
    assert sum(shares) == CALLERS * CALLS
    assert min(shares) > 0.4 * CALLERS * CALLS, shares
    proxy.forgive()
