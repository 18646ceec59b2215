"""Every call of the worker, whatever is there when it comes; two workers answer in turns."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from slipway.v1 import clusters_pb2 as pb

from tests.support.simulated import HELD
from tests.support.waiting import eventually
from tests.support.worker import refused
from tests.support.worker_site import CLUSTERS, OTHER, SMALL, SMALL_PODS, STRICT, unique

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.duration_pb2 import Duration

    from tests.support.worker import Client, Refusal, Worker
    from tests.support.worker_site import Site

TIMEOUT = 20.0
FIRST = "request-1"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{CLUSTERS}/deployments"
HELD_PODS = {HELD: "yes"}


def spec(**fields: Any) -> pb.ClusterSpec:
    return pb.ClusterSpec(**{"replicas": 2, **fields})


def created(client: Client, name: str, *, held: bool = False) -> None:
    """Have a cluster there; one whose pods are held is not waited for."""
    labels = HELD_PODS if held else {}
    request = pb.CreateClusterRequest(name=name, spec=spec(labels=labels), request_id=FIRST, wait=not held)
    client.create(request, timeout=TIMEOUT)


def deployment(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """A Deployment that somebody else made."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
    selector = {"matchLabels": {"app": name}}
    instance = {"app.kubernetes.io/instance": name, **labels}
    return {
        "metadata": {"name": name, "labels": instance},
        "spec": {"replicas": 1, "selector": selector, "template": template},
    }


def nothing(_site: Site, _client: Client, _name: str) -> None:
    pass


def running(_site: Site, client: Client, name: str) -> None:
    created(client, name)


def in_progress(_site: Site, client: Client, name: str) -> None:
    created(client, name, held=True)


def going(site: Site, client: Client, name: str) -> None:
    """It is being deleted, and its pods are held."""
    created(client, name)
    site.hold(name)
    client.delete(pb.DeleteClusterRequest(name=name, wait=False), timeout=TIMEOUT)


def foreign(site: Site, _client: Client, name: str) -> None:
    site.kubernetes.request("POST", DEPLOYMENTS, deployment(name, {}))


def ours_but_not_the_workers(site: Site, _client: Client, name: str) -> None:
    site.kubernetes.request("POST", DEPLOYMENTS, deployment(name, {"app.kubernetes.io/managed-by": "slipway"}))


@dataclass(frozen=True)
class Row:
    """What is there, what is asked, and what follows: a state, or the code and the reason of an error."""

    given: Callable[[Site, Client, str], None]
    asked: dict[str, Any] = field(default_factory=dict)
    state: int = pb.STATE_UNSPECIFIED
    created: bool = False
    refused: tuple[str, str] = ("", "")
    released: int = 0  # so many pods that are held are let go while the call waits
    timeout: float = TIMEOUT

    def __str__(self) -> str:
        asked = " ".join(f"{key}={value}" for key, value in self.asked.items()).split()
        answer = self.refused[1] or pb.State.Name(self.state)
        return f"{self.given.__name__}: {' '.join(asked)} -> {answer}"


RUNNING, IN_PROGRESS, UPDATING = pb.RUNNING, pb.CREATE_IN_PROGRESS, pb.UPDATE_IN_PROGRESS
HELD_SPEC = {"spec": spec(labels=HELD_PODS)}
OTHER_IMAGE, OTHER_SIZE = {"spec": spec(image="registry.example/other:1")}, {"spec": spec(replicas=3)}
NOT_OURS = ("FAILED_PRECONDITION", "NOT_OURS")
EXISTS = ("ALREADY_EXISTS", "ALREADY_EXISTS")
NO_SUCH = ("NOT_FOUND", "NOT_FOUND")

CREATES = [
    Row(nothing, {}, RUNNING, created=True),
    Row(nothing, {"spec": spec(replicas=0)}, RUNNING, created=True),
    Row(nothing, {"spec": spec(replicas=0), "wait": False}, RUNNING, created=True),
    Row(nothing, {**HELD_SPEC, "wait": False}, IN_PROGRESS, created=True),
    Row(nothing, {"namespace": OTHER}, RUNNING, created=True),
    Row(running, {}, RUNNING),
    Row(running, {"wait": False}, RUNNING),
    Row(running, {"join": True}, RUNNING),
    Row(running, {"request_id": "request-2"}, RUNNING),
    Row(running, {"request_id": FIRST}, RUNNING, created=True),
    Row(running, OTHER_IMAGE, refused=EXISTS),
    Row(running, OTHER_SIZE, refused=EXISTS),
    Row(in_progress, HELD_SPEC, IN_PROGRESS),
    Row(in_progress, {**HELD_SPEC, "wait": False}, IN_PROGRESS),
    Row(in_progress, {**HELD_SPEC, "join": True}, RUNNING, released=2),
    Row(in_progress, {**HELD_SPEC, "request_id": FIRST}, RUNNING, created=True, released=2),
    Row(in_progress, {**HELD_SPEC, "request_id": FIRST, "wait": False}, IN_PROGRESS, created=True),
    Row(in_progress, {**HELD_SPEC, "join": True}, refused=("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"), timeout=1.5),
    Row(in_progress, OTHER_IMAGE, refused=EXISTS),
    Row(going, {}, RUNNING, created=True, released=2),
    Row(going, {}, refused=("ABORTED", "TERMINATING"), timeout=1.5),
    Row(foreign, {}, refused=NOT_OURS),
    Row(ours_but_not_the_workers, {}, refused=NOT_OURS),
]
DELETES = [
    Row(nothing, {}, refused=NO_SUCH),
    Row(nothing, {"allow_missing": True}),
    Row(running, {}, pb.DELETED),
    Row(running, {"allow_missing": True}, pb.DELETED),
    Row(running, {"uid": "00000000-0000-0000-0000-000000000000"}, refused=NO_SUCH),
    Row(in_progress, {}, pb.DELETED, released=2),
    Row(in_progress, {"wait": False}, pb.DELETE_IN_PROGRESS),
    Row(going, {}, pb.DELETED, released=2),
    Row(going, {}, refused=("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"), timeout=1.5),
    Row(foreign, {}, refused=NOT_OURS),
    Row(ours_but_not_the_workers, {}, refused=NOT_OURS),
]
SCALES = [
    Row(nothing, {"replicas": 1}, refused=NO_SUCH),
    Row(running, {"replicas": 4}, RUNNING),
    Row(running, {"replicas": 1}, RUNNING),
    Row(running, {"replicas": 0}, RUNNING),
    Row(running, {"replicas": 2}, RUNNING),
    Row(running, {"replicas": 2, "uid": "00000000-0000-0000-0000-000000000000"}, refused=NO_SUCH),
    Row(in_progress, {"replicas": 3}, RUNNING, released=3),
    Row(going, {"replicas": 3}, refused=("ABORTED", "TERMINATING")),
    Row(foreign, {"replicas": 3}, refused=NOT_OURS),
    Row(ours_but_not_the_workers, {"replicas": 3}, refused=NOT_OURS),
]


def ask(site: Site, row: Row, name: str, call: Any, request: Any) -> tuple[Any, Refusal | None]:
    """Make a call, let held pods go meanwhile if the row says so; return its answer, or the error."""
    before = site.state(name)
    began = time.monotonic()
    answer = call.future(request, timeout=row.timeout)
    if row.released:
        site.release(name, row.released)
    if not row.refused[0]:
        return answer.result(), None
    refusal = refused(answer.result)
    assert time.monotonic() - began <= row.timeout + 0.5
    assert site.state(name) == before
    return None, refusal


@pytest.mark.parametrize("row", CREATES, ids=str)
def test_create(site: Site, client: Client, row: Row) -> None:
    name = unique("create")
    row.given(site, client, name)
    request = pb.CreateClusterRequest(**{"name": name, "spec": spec(), **row.asked})
    answer, refusal = ask(site, row, name, client.create, request)
    if refusal:
        assert refusal.brief == row.refused
        assert (refusal.retry_after is not None) is (refusal.code == "ABORTED")
        return
    assert (answer.cluster.state, answer.created) == (row.state, row.created)
    [obj] = site.items("deployments", name, request.namespace or CLUSTERS)
    assert described(answer.cluster) == {
        "name": name,
        "namespace": request.namespace or CLUSTERS,
        "uid": obj["metadata"]["uid"],
        "replicas": request.spec.replicas,
        "available": 0 if row.state == IN_PROGRESS else request.spec.replicas,
        "owner": "driver",
        "age": True,
    }
    if row.given is nothing and row.state == RUNNING and request.spec.replicas and answer.phases:
        phases = [answer.phases.applied, answer.phases.scheduled, answer.phases.started, answer.phases.available]
        assert in_order(phases), answer.phases


@pytest.mark.parametrize("row", DELETES, ids=str)
def test_delete(site: Site, client: Client, row: Row) -> None:
    name = unique("delete")
    row.given(site, client, name)
    answer, refusal = ask(site, row, name, client.delete, pb.DeleteClusterRequest(name=name, **row.asked))
    if refusal:
        assert refusal.brief == row.refused
        return
    assert (answer.HasField("cluster"), answer.cluster.state) == (row.given is not nothing, row.state)
    if row.state == pb.DELETED:
        assert site.state(name) == []
        assert in_order([answer.phases.applied, answer.phases.pods_gone])
        assert in_order([answer.phases.applied, answer.phases.object_gone])


@pytest.mark.parametrize("row", SCALES, ids=str)
def test_scale(site: Site, client: Client, row: Row) -> None:
    name = unique("scale")
    row.given(site, client, name)
    answer, refusal = ask(site, row, name, client.scale, pb.ScaleClusterRequest(name=name, **row.asked))
    if refusal:
        assert refusal.brief == row.refused
        return
    wanted = row.asked["replicas"]
    shown = (answer.cluster.state, answer.cluster.spec.replicas, answer.cluster.available_replicas)
    assert shown == (row.state, wanted, wanted)
    assert len(site.items("pods", name)) == wanted


def described(cluster: pb.Cluster) -> dict[str, Any]:
    """What a cluster is; its age is told as whether it is that of a test."""
    age = datetime.now(UTC) - cluster.create_time.ToDatetime(UTC)
    return {
        "name": cluster.name,
        "namespace": cluster.namespace,
        "uid": cluster.uid,
        "replicas": cluster.spec.replicas,
        "available": cluster.available_replicas,
        "owner": cluster.owner,
        "age": timedelta(seconds=-2) <= age <= timedelta(seconds=60),
    }


def in_order(phases: list[Duration]) -> bool:
    """Whether all of them were reached, one after the other."""
    times = [phase.ToTimedelta() for phase in phases]
    return timedelta(0) < times[0] and times == sorted(times)


def test_a_cluster_is_what_was_asked_for(site: Site, client: Client) -> None:
    name = unique("all")
    asked = pb.ClusterSpec(
        image="registry.example/app:1",
        replicas=1,
        command=["/app"],
        args=["--port", "80"],
        env={"B": "2", "A": "1"},
        resources=pb.Resources(requests={"cpu": "10m"}, limits={"memory": "64Mi"}),
        labels={"team": "blue"},
    )
    answer = client.create(pb.CreateClusterRequest(name=name, spec=asked), timeout=TIMEOUT)
    assert answer.cluster.spec == asked
    assert client.get(pb.GetClusterRequest(name=name), timeout=TIMEOUT).spec == asked
    [pod] = site.items("pods", name)
    [container] = pod["spec"]["containers"]
    assert pod["spec"]["nodeSelector"] == {"slipway.dev/clusters": "allowed"}
    assert pod["metadata"]["labels"]["team"] == "blue"
    assert (container["image"], container["command"], container["args"]) == (asked.image, ["/app"], ["--port", "80"])
    assert {each["name"]: each["value"] for each in container["env"]} == {"A": "1", "B": "2"}
    assert container["resources"] == {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}}


def test_get(site: Site, client: Client) -> None:
    name = unique("get")
    unknown = refused(lambda: client.get(pb.GetClusterRequest(name=name), timeout=TIMEOUT))
    assert unknown.brief == NO_SUCH
    created(client, name)
    cluster = client.get(pb.GetClusterRequest(name=name), timeout=TIMEOUT)
    [obj] = site.items("deployments", name)
    assert (cluster.state, cluster.uid, cluster.available_replicas) == (RUNNING, obj["metadata"]["uid"], 2)


def test_what_others_made_is_not_shown(site: Site, client: Client) -> None:
    name = unique("get")
    foreign(site, client, name)
    refusal = refused(lambda: client.get(pb.GetClusterRequest(name=name), timeout=TIMEOUT))
    assert refusal.brief == NOT_OURS
    listed = client.list(pb.ListClustersRequest(), timeout=TIMEOUT)
    assert name not in {cluster.name for cluster in listed.clusters}


def test_pages(client: Client) -> None:
    names = [f"page-{letter}" for letter in "cabed"]
    for name in names:
        request = pb.CreateClusterRequest(namespace=OTHER, name=name, spec=spec(replicas=0), wait=False)
        client.create(request, timeout=TIMEOUT)

    def pages() -> list[list[str]]:
        found: list[list[str]] = []
        token = ""
        while not found or token:
            request = pb.ListClustersRequest(namespace=OTHER, page_size=2, page_token=token)
            page = client.list(request, timeout=TIMEOUT)
            found.append([cluster.name for cluster in page.clusters])
            token = page.next_page_token
        return found

    for name in (each.name for each in client.list(pb.ListClustersRequest(namespace=OTHER), timeout=TIMEOUT).clusters):
        if name not in names:
            client.delete(pb.DeleteClusterRequest(namespace=OTHER, name=name), timeout=TIMEOUT)
    wanted = [["page-a", "page-b"], ["page-c", "page-d"], ["page-e"]]
    eventually(lambda: pages() == wanted, within=2, what=f"both workers show {wanted}")
    whole = client.list(pb.ListClustersRequest(namespace=OTHER), timeout=TIMEOUT)
    assert ([each.name for each in whole.clusters], whole.next_page_token) == (sorted(names), "")


def test_watch_shows_a_whole_life(site: Site, client: Client) -> None:
    name = unique("life")
    stream = client.watch(pb.WatchClusterRequest(name=name, await_creation=True), timeout=60)
    created(client, name, held=True)
    site.release(name, 2)
    eventually(lambda: client.get(pb.GetClusterRequest(name=name)).state == RUNNING, within=10, what="it is running")
    scale = client.scale.future(pb.ScaleClusterRequest(name=name, replicas=3), timeout=TIMEOUT)
    site.release(name, 1)
    assert scale.result().cluster.state == RUNNING
    site.hold(name)
    client.delete(pb.DeleteClusterRequest(name=name, wait=False), timeout=TIMEOUT)
    site.release(name, 3)
    seen = list(stream)
    states = [message.cluster.state for message in seen]
    changes = [state for state, before in zip(states, [None, *states], strict=False) if state != before]
    assert changes == [IN_PROGRESS, RUNNING, UPDATING, RUNNING, pb.DELETE_IN_PROGRESS, pb.DELETED]
    assert {message.cluster.name for message in seen} == {name}
    assert any("2 of 2" in message.message for message in seen), [message.message for message in seen]
    times = [message.time.ToDatetime() for message in seen]
    assert times == sorted(times)


def test_watch_of_what_is_not_there(client: Client) -> None:
    refusal = refused(lambda: list(client.watch(pb.WatchClusterRequest(name=unique("life")), timeout=TIMEOUT)))
    assert refusal.brief == NO_SUCH


def test_watches_that_are_left(site: Site, client: Client, workers: list[Worker]) -> None:
    """Cancelled, over their deadline, or with their connection closed: whoever calls next is answered."""
    name = unique("left")
    created(client, name)
    request = pb.WatchClusterRequest(name=name)
    for _ in range(10):
        stream = client.watch(request, timeout=TIMEOUT)
        assert next(stream).cluster.state == RUNNING
        stream.cancel()
        with site.client(*workers) as other:
            assert next(other.watch(request, timeout=TIMEOUT)).cluster.state == RUNNING
        assert client.get(pb.GetClusterRequest(name=name), timeout=TIMEOUT).state == RUNNING
    refusal = refused(lambda: client.ask(request, timeout=0.5))
    assert refusal.code == "DEADLINE_EXCEEDED"
    assert client.delete(pb.DeleteClusterRequest(name=name), timeout=TIMEOUT).cluster.state == pb.DELETED
    assert [worker.process and worker.process.poll() for worker in workers] == [None, None]


def test_watch_of_two_names_shows_each_its_own(client: Client) -> None:
    names = [unique("own"), unique("own")]
    streams = [client.watch(pb.WatchClusterRequest(name=name, await_creation=True), timeout=30) for name in names]
    for name in names:
        created(client, name)
        client.delete(pb.DeleteClusterRequest(name=name), timeout=TIMEOUT)
    assert [{message.cluster.name for message in stream} for stream in streams] == [{name} for name in names]


@pytest.mark.parametrize("keep", [False, True], ids=["taken away", "kept"])
def test_create_that_cannot_come_right(site: Site, client: Client, keep: bool) -> None:
    name = unique("hopeless")
    request = pb.CreateClusterRequest(namespace=STRICT, name=name, spec=spec(), keep_failed=keep)
    refusal = refused(lambda: client.create(request, timeout=TIMEOUT))
    assert refusal.brief == ("PERMISSION_DENIED", "ADMISSION_DENIED")
    assert refusal.cause
    assert "PodSecurity" in f"{refusal.cause.summary} {refusal.cause.evidence}"
    if not keep:
        eventually(lambda: site.state(name, STRICT) == [], within=5, what="nothing is left")
        return
    cluster = client.get(pb.GetClusterRequest(namespace=STRICT, name=name), timeout=TIMEOUT)
    assert (cluster.state, cluster.cause.code) == (pb.FAILED, "admission_denied")
    client.delete(pb.DeleteClusterRequest(namespace=STRICT, name=name), timeout=TIMEOUT)
    assert site.state(name, STRICT) == []


def fits_again(client: Client, request: pb.CreateClusterRequest) -> bool:
    try:
        return client.create(request, timeout=TIMEOUT).created
    except grpc.RpcError as error:
        raise AssertionError(str(error)) from error


def test_quota_is_respected_before_anything_is_made(site: Site, client: Client) -> None:
    name = unique("quota")
    fits = pb.CreateClusterRequest(namespace=SMALL, name=name, spec=spec(replicas=SMALL_PODS), request_id=FIRST)
    assert client.create(fits, timeout=TIMEOUT).cluster.state == RUNNING
    before = site.state(name, SMALL)
    # It is this very cluster that fills the quota.
    for request_id, made in {FIRST: True, "another": False}.items():
        fits.request_id = request_id
        again = client.create(fits, timeout=TIMEOUT)
        assert (again.created, again.cluster.state) == (made, RUNNING)
    one_more = [
        lambda: client.create(pb.CreateClusterRequest(namespace=SMALL, name=unique("quota"), spec=spec(replicas=1))),
        lambda: client.scale(pb.ScaleClusterRequest(namespace=SMALL, name=name, replicas=SMALL_PODS + 1)),
    ]
    for call in one_more:
        refusal = refused(call)
        assert (refusal.brief, bool(refusal.quotas)) == (("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), True)
    assert site.state(name, SMALL) == before
    client.delete(pb.DeleteClusterRequest(namespace=SMALL, name=name), timeout=TIMEOUT)
    eventually(lambda: fits_again(client, fits), within=10, what="there is room again")
    client.delete(pb.DeleteClusterRequest(namespace=SMALL, name=name), timeout=TIMEOUT)
