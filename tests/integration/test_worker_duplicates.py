"""Many callers want the same cluster at the same moment, through several workers: there is one, and all are told so."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from slipway.v1 import clusters_pb2 as pb

from tests.support.worker_site import unique

if TYPE_CHECKING:
    from tests.support.worker import Worker
    from tests.support.worker_site import Site

CALLERS = 50
REPLICAS = 3
TIMEOUT = 90.0


def answered(worker: Worker) -> float:
    """How many creates it has answered well."""
    wanted = ("slipway_request_seconds_count", 'method="CreateCluster"', 'code="OK"')
    return sum(value for name, value in worker.metrics().items() if all(part in name for part in wanted))


@pytest.mark.parametrize(
    ("request_id", "calls_each"), [("", 20), ("the same", 4)], ids=["1,000 calls of their own", "200 times one call"]
)
def test_one_of_many_creates(site: Site, workers: list[Worker], request_id: str, calls_each: int) -> None:
    name = unique("one")
    count = CALLERS * calls_each
    spec = pb.ClusterSpec(replicas=REPLICAS)
    request = pb.CreateClusterRequest(name=name, spec=spec, join=True, request_id=request_id)
    before = [answered(worker) for worker in workers]
    with ExitStack() as stack:
        clients = [stack.enter_context(site.client(*workers)) for _ in range(CALLERS)]
        for call in [client.begin(pb.GetClusterRequest(name=name), timeout=TIMEOUT) for client in clients]:
            assert call.exception()  # they are connected now
        calls = [client.begin(request, timeout=TIMEOUT) for _ in range(calls_each) for client in clients]
        answers = [call.result() for call in calls]
    [obj] = site.items("deployments", name)
    uid = obj["metadata"]["uid"]
    assert {(answer.cluster.uid, answer.cluster.state) for answer in answers} == {(uid, pb.RUNNING)}
    assert sum(answer.created for answer in answers) == (count if request_id else 1)
    assert [line.split()[-1] for line in site.state(name)] == [str(REPLICAS), str(REPLICAS), "pods"]
    shares = [answered(worker) - old for worker, old in zip(workers, before, strict=True)]
    assert sum(shares) == count
    assert min(shares) > 0.4 * count, shares
