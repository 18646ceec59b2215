"""`python -m tests.bench.worker`: what the worker adds to the API server's work; writes docs/results/worker.json.

Compared are two clients that send the same Deployments straight to the API server: the official package for Python, and
bare HTTP, which shows what the machine has to give. Worker, caller, API server and its controllers share its cores.
"""

from __future__ import annotations

import http.client
import json
import math
import re
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from threading import Semaphore
from typing import TYPE_CHECKING

import kubernetes.client
from slipway.v1 import clusters_pb2 as pb

from ansible_collections.slipway.cloud.plugins.module_utils.engine.cluster import Cluster, deployment
from tests.support.api_server import ADMIN, JSON
from tests.support.authority import Authority
from tests.support.calm import calm
from tests.support.paths import RESULTS
from tests.support.record import commit, today
from tests.support.simulated import HELD
from tests.support.waiting import eventually
from tests.support.worker_site import ALLOWED, CLUSTERS, a_site, unique

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import grpc

    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object
    from tests.support.worker import Client, Worker
    from tests.support.worker_site import Site

    Call = grpc.UnaryUnaryMultiCallable[pb.CreateClusterRequest, pb.CreateClusterResponse]

CONCURRENCY = 16
TIMEOUT = 60.0
IMAGE = "registry.k8s.io/pause:3.10.2"
HEADERS = {"Authorization": f"Bearer {ADMIN}", "Content-Type": JSON}
PARTS = ("before_api", "after_api")
BUCKET = re.compile(r'slipway_own_seconds_bucket\{.*\ble="([^"]+)"')


@dataclass(frozen=True)
class Size:
    """How much is measured: calls at a rate a second, rounds of so many creates, waits at once, deletes."""

    calls: int = 2000
    rate: float = 20.0
    rounds: int = 5
    creates: int = 1000  # so many that the controllers keep up: their work is part of every create
    waits: int = 500
    deletes: int = 50
    patience: float = 20.0


@dataclass(frozen=True)
class Result:
    """What was measured: milliseconds, creates a second, MiB."""

    own_p50: float
    own_p99: float
    call_p50: float
    call_p99: float
    creates: float
    official_creates: float
    bare_creates: float
    delete_p99: float
    waits: int
    memory: float
    threads: int


@dataclass(frozen=True)
class Bounds:
    """What is promised."""

    own_p99: float = 50.0
    creates: float = 0.8  # of the official client's
    delete_p99: float = 300.0
    memory: float = 200.0


def measure(site: Site, size: Size) -> Result:
    """Take everything with one worker at a time, each part when the machine is calm."""
    with site.running(1) as [worker], site.client(worker) as client:  # by itself: later there are thousands of clusters
        memory, threads = waiting(site, worker, client, size.waits)
    with site.running(1) as [worker], site.client(worker) as client:
        calm(within=size.patience)
        calls = paced(client.create, size.calls, size.rate)
        own = own_time(worker)
        calm(within=size.patience)
        deletes = deleted(client, size.deletes)
        turns = [turn(site, client.create, size, number) for number in range(size.rounds)]
    return Result(
        own_p50=1000 * own[0],
        own_p99=1000 * own[1],
        call_p50=1000 * median(calls),
        call_p99=1000 * p99(calls),
        **{who: median(rates[who] for rates in turns) for who in turns[0]},
        delete_p99=1000 * p99(deletes),
        waits=size.waits,
        memory=memory,
        threads=threads,
    )


def empty(name: str) -> pb.CreateClusterRequest:
    """A cluster without pods, which is not waited for."""
    return pb.CreateClusterRequest(name=name, spec=pb.ClusterSpec(replicas=0), wait=False)


def paced(create: Call, count: int, rate: float) -> list[float]:
    """The seconds of calls that begin at a steady rate, whether or not those before have ended."""
    seconds: list[float] = []

    def timed() -> grpc.Future[pb.CreateClusterResponse]:
        start = time.monotonic()
        call = create.future(empty(unique("paced")), timeout=TIMEOUT)
        call.add_done_callback(lambda _: seconds.append(time.monotonic() - start))
        return call

    began = time.monotonic()
    calls = []
    for number in range(count):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        calls.append(timed())
    assert all(call.result().created for call in calls)
    eventually(lambda: len(seconds) == count, within=5, what="all times are noted")
    return seconds


def own_time(worker: Worker) -> tuple[float, float]:
    """The worker's own seconds in a create, by its histograms: median and p99; those of both parts added."""
    metrics = worker.metrics()
    of_parts = [buckets(metrics, part) for part in PARTS]
    return sum(quantile(each, 0.5) for each in of_parts), sum(quantile(each, 0.99) for each in of_parts)


def buckets(metrics: Mapping[str, float], part: str) -> list[tuple[float, float]]:
    """The upper bounds of a histogram and how many samples are below each."""
    wanted = ('method="CreateCluster"', f'part="{part}"')
    rows = [(BUCKET.match(name), value) for name, value in metrics.items() if all(each in name for each in wanted)]
    found = sorted((float(match[1]), value) for match, value in rows if match)
    assert found, f"no histogram of {part}: {sorted(name for name in metrics if 'own' in name)}"
    return found


def quantile(rows: Sequence[tuple[float, float]], share: float) -> float:
    """The value below which a share of the samples of a histogram is, as Prometheus takes it: linear in a bucket."""
    rank, lower, below = share * rows[-1][1], 0.0, 0.0
    for bound, count in rows:
        if count >= rank:
            return lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below)
        lower, below = bound, count
    return lower


def p99(values: Iterable[float]) -> float:
    """The value below which 99 of 100 are."""
    return quantiles(values, n=100, method="inclusive")[98]


def turn(site: Site, create: Call, size: Size, number: int) -> dict[str, float]:
    """Creates a second by each contender; who begins changes from round to round."""
    contenders: dict[str, Callable[[int], float]] = {
        "creates": lambda count: by_worker(create, count),
        "official_creates": lambda count: by_official_client(site, count),
        "bare_creates": lambda count: by_bare_http(site, count),
    }
    order = deque(contenders)
    order.rotate(number)
    rates = {}
    for who in order:
        calm(within=size.patience)
        rates[who] = contenders[who](size.creates)
    print(
        f"round {number + 1} of {size.rounds}:",
        ", ".join(f"{who} {rates[who]:.0f}/s" for who in contenders),
        flush=True,
    )
    return rates


def by_worker(create: Call, count: int) -> float:
    """Creates a second through the worker, so many at a time."""
    room = Semaphore(CONCURRENCY)
    calls = []
    began = time.monotonic()
    for _ in range(count):
        room.acquire()
        call = create.future(empty(unique("fast")), timeout=TIMEOUT)
        call.add_done_callback(lambda _: room.release())
        calls.append(call)
    assert all(call.result().created for call in calls)
    return count / (time.monotonic() - began)


def by_official_client(site: Site, count: int) -> float:
    """Creates a second by the official package for Python, with its pool of connections, so many at a time."""
    configuration = kubernetes.client.Configuration()
    configuration.host = site.kubernetes.url
    configuration.ssl_ca_cert = str(site.kubernetes.certificate)
    configuration.api_key = {"authorization": f"Bearer {ADMIN}"}
    configuration.connection_pool_maxsize = CONCURRENCY
    with kubernetes.client.ApiClient(configuration) as connection:
        api = kubernetes.client.AppsV1Api(connection)
        create: Callable[..., object] = api.create_namespaced_deployment  # also takes what its stubs leave out
        return rate(count, lambda bodies: [create(CLUSTERS, body) for body in bodies])


def by_bare_http(site: Site, count: int) -> float:
    """Creates a second by nothing but HTTP and JSON, so many at a time."""
    path = f"/apis/apps/v1/namespaces/{CLUSTERS}/deployments"

    def send(bodies: Iterable[Object]) -> None:
        connection = http.client.HTTPSConnection("127.0.0.1", site.kubernetes.port, context=site.kubernetes.trust)
        for body in bodies:
            connection.request("POST", path, json.dumps(body), HEADERS)
            response = connection.getresponse()
            assert (response.status, bool(json.loads(response.read()))) == (http.client.CREATED, True)
        connection.close()

    return rate(count, send)


def rate(count: int, send: Callable[[Iterable[Object]], object]) -> float:
    """Creates a second of so many Deployments, which as many threads as there may be requests at a time share."""
    clusters = (
        Cluster(name=unique("straight"), namespace=CLUSTERS, image=IMAGE, replicas=0, node_selector=ALLOWED)
        for _ in range(count)
    )
    bodies = iter([deployment(cluster) for cluster in clusters])
    began = time.monotonic()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(send, [bodies] * CONCURRENCY))
    return count / (time.monotonic() - began)


def deleted(client: Client, count: int) -> list[float]:
    """The seconds of deletes of running clusters, one after the other, which are not waited for."""
    seconds = []
    for _ in range(count):
        name = unique("gone")
        client.create(pb.CreateClusterRequest(name=name, spec=pb.ClusterSpec(replicas=2)), timeout=TIMEOUT)
        began = time.monotonic()
        client.delete(pb.DeleteClusterRequest(name=name, wait=False), timeout=TIMEOUT)
        seconds.append(time.monotonic() - began)
    return seconds


def waiting(site: Site, worker: Worker, client: Client, count: int) -> tuple[float, int]:
    """MiB and threads of the worker while so many calls wait for pods that are held; all of them get their answer."""
    names = [unique("held") for _ in range(count)]
    spec = pb.ClusterSpec(replicas=1, labels={HELD: "yes"})
    waits = [client.begin(pb.CreateClusterRequest(name=name, spec=spec), timeout=300) for name in names]
    in_flight = 'slipway_in_flight{method="CreateCluster"}'
    eventually(lambda: worker.metrics().get(in_flight) == count, within=60, what=f"{count} wait", every=0.5)
    eventually(lambda: len(site.held(names)) == count, within=120, what=f"{count} pods", every=0.5)
    memory, threads = worker.memory(), worker.threads()
    site.release_all(names)
    assert all(wait.result().cluster.state == pb.RUNNING for wait in waits)
    return memory, threads


def broken(result: Result, bounds: Bounds) -> list[str]:
    """Which bounds do not hold."""
    judged = {
        f"p99 of its own time is {result.own_p99:.1f} ms, more than {bounds.own_p99:g}": (
            result.own_p99 <= bounds.own_p99
        ),
        f"{result.creates:.0f} creates/s, less than {bounds.creates:g} of the official client's": (
            result.creates >= bounds.creates * result.official_creates
        ),
        f"p99 of a delete is {result.delete_p99:.0f} ms, more than {bounds.delete_p99:g}": (
            result.delete_p99 <= bounds.delete_p99
        ),
        f"{result.waits} waits take {result.memory:.0f} MiB, more than {bounds.memory:g}": (
            result.memory <= bounds.memory
        ),
    }
    return [what for what, holds in judged.items() if not holds]


def table(result: Result, bounds: Bounds) -> str:
    """The result as a table."""
    least = f"at least {bounds.creates:g} of the official client's"
    rows = [
        ("its own time in a create, p50", f"{result.own_p50:.1f} ms", ""),
        ("its own time in a create, p99", f"{result.own_p99:.1f} ms", f"at most {bounds.own_p99:g} ms"),
        ("a create as its caller sees it, p50", f"{result.call_p50:.1f} ms", ""),
        ("a create as its caller sees it, p99", f"{result.call_p99:.1f} ms", ""),
        (f"creates, {CONCURRENCY} at a time", f"{result.creates:.0f}/s", least),
        ("the same by the official client for Python", f"{result.official_creates:.0f}/s", ""),
        ("the same by bare HTTP", f"{result.bare_creates:.0f}/s", ""),
        ("a delete that is not waited for, p99", f"{result.delete_p99:.0f} ms", f"at most {bounds.delete_p99:g} ms"),
        (f"memory with {result.waits} waits", f"{result.memory:.0f} MiB", f"at most {bounds.memory:g} MiB"),
        (f"threads with {result.waits} waits", f"{result.threads}", ""),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [("", "measured", "promised"), ("---",) * 3, *rows])


def main() -> int:
    """Return the exit code."""
    bounds = Bounds()
    with (
        tempfile.TemporaryDirectory() as home,
        a_site(Path(home), Authority.new("slipway bench"), nodes=100) as site,
    ):
        result = measure(site, Size())
    RESULTS.mkdir(parents=True, exist_ok=True)
    data = {"date": today(), "commit": commit(), **asdict(result)}
    (RESULTS / "worker.json").write_text(json.dumps(data, indent=1) + "\n")
    print(table(result, bounds))
    complaints = broken(result, bounds)
    print(*complaints, sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
