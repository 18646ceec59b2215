"""The worker is killed at every moment of every request that a call makes; its caller then asks another worker.

The streams that a worker opens when it starts are not part of a call: what passes afterwards is counted. What a call
does goes to Deployments, one request after the other. What it looks at meanwhile, to tell what is wrong, comes beside
that, and only where something takes its time: a scenario of its own.
"""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from slipway.v1 import clusters_pb2 as pb

from tests.support.fault_proxy import FaultProxy, Kill
from tests.support.waiting import eventually
from tests.support.worker import Refusal, code_of, refusal
from tests.support.worker_site import CLUSTERS, STRICT, unique

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.fault_proxy import Moment
    from tests.support.worker import Client, Worker
    from tests.support.worker_site import Site

TIMEOUT = 30.0
MOST_REQUESTS = 20
SIZE, OTHER_SIZE = 2, 3
SPEC = pb.ClusterSpec(replicas=SIZE)


def nothing(_site: Site, _client: Client, _name: str) -> None:
    pass


def running(_site: Site, client: Client, name: str) -> None:
    client.create(pb.CreateClusterRequest(name=name, spec=SPEC), timeout=TIMEOUT)


def held(site: Site, client: Client, name: str) -> None:
    """It is there, and its pods will not go."""
    running(site, client, name)
    site.hold(name)


def stuck(site: Site, client: Client, name: str) -> None:
    """It is there, and its pods will not go, though they are given a second only: then the worker looks why."""
    running(site, client, name)
    site.hurry(name, SIZE)
    site.hold(name)


def going(site: Site, client: Client, name: str) -> None:
    """It is being deleted, and its pods are held."""
    held(site, client, name)
    client.delete(pb.DeleteClusterRequest(name=name, wait=False), timeout=TIMEOUT)


@dataclass(frozen=True)
class Scenario:
    """What is there, what is asked, and what must have come of it whenever the worker was killed."""

    title: str
    given: Callable[[Site, Client, str], None]
    asked: Callable[..., Any]
    fields: dict[str, Any]
    answer: tuple[Any, ...]  # code and state, or the code and the reason of an error
    left: tuple[int, int]  # Deployments and pods
    held: int = 0  # so many pods that are held are let go when the call has begun, and has asked for this much:
    looks: int = 0
    path: str = "/deployments"  # of the requests that count

    def request(self, name: str) -> Any:
        """The same one each time."""
        return self.asked(**{"name": name, "request_id": f"of {name}", **self.fields})

    @property
    def namespace(self) -> str:
        """Where the cluster is."""
        return str(self.fields.get("namespace", CLUSTERS))


CREATE, SCALE, DELETE = pb.CreateClusterRequest, pb.ScaleClusterRequest, pb.DeleteClusterRequest
RUNNING, GOING, DELETED = ("OK", pb.RUNNING), ("OK", pb.DELETE_IN_PROGRESS), ("OK", pb.DELETED)
SCENARIOS = [
    Scenario("create", nothing, CREATE, {"spec": SPEC}, RUNNING, (1, SIZE)),
    Scenario("create in place of one that goes", going, CREATE, {"spec": SPEC}, RUNNING, (1, SIZE), held=SIZE),
    Scenario(
        "create what cannot come right",
        nothing,
        CREATE,
        {"spec": SPEC, "namespace": STRICT},
        ("PERMISSION_DENIED", "ADMISSION_DENIED"),
        (0, 0),
    ),
    Scenario("scale", running, SCALE, {"replicas": OTHER_SIZE}, RUNNING, (1, OTHER_SIZE)),
    Scenario("delete", running, DELETE, {"allow_missing": True}, ("OK",), (0, 0)),
    Scenario(
        "look at what takes its time",
        stuck,
        DELETE,
        {"allow_missing": True},
        ("OK",),
        (0, 0),
        held=SIZE,
        looks=4,  # events and nodes, each listed and watched
        path="/api/v1/",
    ),
]


@dataclass
class Victim:
    """A worker that may be killed, with a proxy of its own before the API server."""

    worker: Worker
    proxy: FaultProxy
    client: Client
    is_new: bool = False

    def rise(self) -> None:
        """Start it if it does not run; it is not ready yet."""
        if self.worker.process is None or self.worker.process.poll() is not None:
            self.proxy.forgive()
            self.worker.start()
            self.is_new = True

    def quiet(self) -> None:
        """Wait until it is ready and watches all that it has listed: from now on it asks for nothing by itself."""
        self.worker.await_ready()
        if self.is_new:
            eventually(self._watches_all, within=10, what="all streams are open", every=0.01)
            grpc.channel_ready_future(self.client.channel).result(timeout=10)
        self.proxy.forgive()
        self.is_new = False

    def _watches_all(self) -> bool:
        lists = {seen.path.partition("?")[0] for seen in self.proxy.seen if not seen.watch}
        watches = {seen.path.partition("?")[0] for seen in self.proxy.seen if seen.watch and seen.status}
        return bool(lists) and lists == watches


@pytest.fixture(scope="module")
def victims(site: Site) -> Iterator[Iterator[Victim]]:
    """Workers to be killed, in turns, so that one starts while another is asked."""
    with ExitStack() as stack:
        found = []
        for _ in range(2):
            proxy = stack.enter_context(FaultProxy(site.kubernetes))
            worker = site.worker(url=proxy.url, namespaces=(CLUSTERS, STRICT))
            stack.callback(worker.kill)
            client = stack.enter_context(site.client(worker))
            found.append(Victim(worker, proxy, client))
            found[-1].rise()
        yield itertools.cycle(found)


def outcome(call: Callable[[], Any]) -> tuple[str, Any]:
    """What came of a call: a code, and its answer or its error."""
    try:
        return "OK", call()
    except grpc.RpcError as error:
        return code_of(error), refusal(error)


def brief(code: str, answer: Any) -> tuple[Any, ...]:
    """What the table of scenarios says of an answer."""
    return answer.brief if isinstance(answer, Refusal) else (code, answer.cluster.state)


def left(site: Site, name: str, namespace: str) -> tuple[int, int]:
    """How many Deployments and pods of a cluster there are, where no ReplicaSet is left without its Deployment."""
    deployments, sets, pods = (
        len(site.items(plural, name, namespace)) for plural in ("deployments", "replicasets", "pods")
    )
    assert deployments == sets, f"{deployments} Deployments, {sets} ReplicaSets"
    return deployments, pods


def asked(site: Site, victim: Victim, name: str, scenario: Scenario) -> tuple[str, Any]:
    """Make the call; what is held is let go once the worker has looked, or is no more."""
    call = victim.client.begin(scenario.request(name), timeout=TIMEOUT)
    if scenario.held:
        looked = partial(victim.proxy.count, path=scenario.path)
        eventually(lambda: call.done() or looked() >= scenario.looks, within=TIMEOUT, what="it has looked", every=0.02)
        site.release(name, scenario.held)
    return outcome(call.result)


def survives(site: Site, victim: Victim, other: Client, scenario: Scenario, kill: Kill, number: int) -> bool:
    """Kill the worker at its request of this number, ask another one again; return whether there was such a request."""
    name = unique("kill")
    if scenario.looks and not victim.is_new:
        victim.worker.kill()  # what it has begun to look at it goes on to watch
        victim.rise()
    scenario.given(site, other, name)
    victim.quiet()
    victim.proxy.inject(kill, path=scenario.path, spared=number)
    code, answer = asked(site, victim, name, scenario)
    killed = not victim.proxy.unused
    if killed:
        assert code in ("UNAVAILABLE", scenario.answer[0])
        again = outcome(lambda: other.ask(scenario.request(name), timeout=TIMEOUT))
        code, answer = again
    where = (name, scenario.namespace)
    assert brief(code, answer)[: len(scenario.answer)] == scenario.answer, (
        f"killed: {killed}; there: {site.state(*where)}; {answer}; {[str(each) for each in victim.proxy.seen]}"
    )
    eventually(lambda: left(site, *where) == scenario.left, within=10, what=f"{scenario.left} left", every=0.02)
    if scenario.asked is CREATE and code == "OK":
        assert (answer.created, answer.cluster.uid) == (True, site.state(*where)[0].split()[0])
    return killed


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.title for scenario in SCENARIOS])
def test_killed(site: Site, victims: Iterator[Victim], client: Client, scenario: Scenario) -> None:
    """Told of one request it is as far as before the next one: that is another moment for the last request alone."""

    def survives_at(moment: Moment, number: int) -> bool:
        victim = next(victims)
        victim.rise()
        killed = survives(site, victim, client, scenario, Kill(victim.worker.kill, moment), number)
        victim.rise()
        return killed

    count = next(number for number in range(MOST_REQUESTS) if not survives_at("asked", number))
    assert count >= max(1, scenario.looks)
    assert all(survives_at("answered", number) for number in range(count))
    assert survives_at("told", count - 1)
    print(f"killed before each of {count} requests, after each answer, and told of the last one")
