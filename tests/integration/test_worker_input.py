"""Whatever is sent to the worker, by whomever: a precise error, and the state is what it was."""

from __future__ import annotations

import hashlib
import json
import random
import secrets
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from slipway.v1 import clusters_pb2 as pb

from tests.support.authority import AGO, Authority
from tests.support.simulated import HELD
from tests.support.waiting import eventually
from tests.support.worker import READY, Client, refused
from tests.support.worker_site import CLUSTERS, FORBIDDEN, MISSING, SMALL, unique

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.worker import Worker
    from tests.support.worker_site import Site

TIMEOUT = 20.0
MIB = 1 << 20
SPEC = pb.ClusterSpec(replicas=1)
TOKEN = "a token of the tests"
INVALID = ("INVALID_ARGUMENT", "INVALID_INPUT")
NOT_ALLOWED = ("PERMISSION_DENIED", "NAMESPACE_NOT_ALLOWED")
TOO_LONG = "a" * 64


@dataclass(frozen=True)
class Row:
    """A request, the code and the reason of its error, and the fields that are said to be wrong."""

    request: Any
    refused: tuple[str, str]
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = str(self.request).replace("\n", " ").strip()
        return f"{type(self.request).__name__.removesuffix('Request')} {text[:60]}"


def create(**fields: Any) -> pb.CreateClusterRequest:
    return pb.CreateClusterRequest(**{"name": "bad", "spec": SPEC, **fields})


def spec(**fields: Any) -> pb.CreateClusterRequest:
    return create(spec=pb.ClusterSpec(**{"replicas": 1, **fields}))


NAMES = ["", "Upper", "under_score", "-dash", "dash-", "dot.ted", "sp ace", "ümlaut", "../../pods", TOO_LONG]
ROWS = [
    *(Row(create(name=name), INVALID, ("name",)) for name in NAMES),
    *(Row(kind(name="Bad"), INVALID, ("name",)) for kind in (pb.GetClusterRequest, pb.DeleteClusterRequest)),
    Row(pb.WatchClusterRequest(name="Bad"), INVALID, ("name",)),
    Row(pb.ScaleClusterRequest(name="Bad", replicas=1), INVALID, ("name",)),
    Row(pb.ScaleClusterRequest(name="bad", replicas=-1), INVALID, ("replicas",)),
    Row(pb.ScaleClusterRequest(name="bad", replicas=20_001), INVALID, ("replicas",)),
    Row(create(namespace="nowhere"), NOT_ALLOWED),
    Row(create(namespace=FORBIDDEN), NOT_ALLOWED),
    Row(create(namespace="../.."), NOT_ALLOWED),
    Row(create(namespace=MISSING), ("PERMISSION_DENIED", "FORBIDDEN")),
    *(
        Row(kind(namespace=FORBIDDEN, name="bad"), NOT_ALLOWED)
        for kind in (pb.GetClusterRequest, pb.DeleteClusterRequest, pb.ScaleClusterRequest, pb.WatchClusterRequest)
    ),
    Row(pb.ListClustersRequest(namespace=FORBIDDEN), NOT_ALLOWED),
    Row(pb.ListClustersRequest(page_size=-1), INVALID, ("page_size",)),
    Row(pb.ListClustersRequest(page_token="no token"), INVALID, ("page_token",)),
    Row(spec(replicas=-1), INVALID, ("spec.replicas",)),
    Row(spec(replicas=20_001), INVALID, ("spec.replicas",)),
    Row(create(namespace=SMALL, spec=pb.ClusterSpec(replicas=10_000)), ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")),
    Row(spec(image="two words"), INVALID, ("spec.image",)),
    Row(spec(env={"1 NAME": ""}), INVALID, ("spec.env",)),
    Row(spec(labels={"a b": ""}), INVALID, ("spec.labels",)),
    Row(spec(labels={"a": "b c"}), INVALID, ("spec.labels",)),
    Row(spec(labels={"app.kubernetes.io/instance": "another"}), INVALID, ("spec.labels",)),
    Row(spec(resources=pb.Resources(requests={"cpu": "lots"})), INVALID, ("spec.resources",)),
    Row(create(name="Bad", spec=pb.ClusterSpec(replicas=-1, image="a b")), INVALID,
        ("name", "spec.image", "spec.replicas")),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_request(site: Site, client: Client, row: Row) -> None:
    refusal = refused(lambda: client.ask(row.request, timeout=TIMEOUT))
    assert (refusal.brief, tuple(sorted(refusal.fields))) == (row.refused, row.fields), refusal.message
    assert bool(refusal.quotas) is (refusal.code == "RESOURCE_EXHAUSTED")
    assert len(refusal.message) > 10
    assert [site.state("bad", namespace) for namespace in (CLUSTERS, SMALL)] == [[], []]


def test_message_that_is_too_large(client: Client, site: Site) -> None:
    refusal = refused(lambda: client.ask(spec(args=["x" * MIB] * 5), timeout=TIMEOUT))
    assert refusal.code == "RESOURCE_EXHAUSTED"
    assert site.state("bad") == []


def test_object_that_the_api_server_finds_too_large(client: Client, site: Site) -> None:
    refusal = refused(lambda: client.ask(spec(args=["x" * MIB] * 3), timeout=TIMEOUT))
    assert refusal.code in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")
    assert site.state("bad") == []


@pytest.fixture(params=["in the clear", "no certificate", "of another authority", "expired"])
def stranger(request: pytest.FixtureRequest, site: Site, workers: list[Worker], tmp_path: Path) -> Iterator[Client]:
    """Somebody who may not call."""
    home = tmp_path / "tls"
    if request.param == "in the clear":
        tls = None
    elif request.param == "no certificate":
        tls = site.authority.client(home)
        (tls / "tls.key").unlink()
        (tls / "tls.crt").unlink()
    elif request.param == "expired":
        tls = site.authority.client(home, life=AGO)
    else:
        tls = Authority.new("another").client(home)
        (tls / "ca.crt").write_bytes(site.authority.pem)
    with Client(workers[0].address, tls=tls) as stranger:
        yield stranger


def test_strangers_are_turned_away(site: Site, client: Client, stranger: Client) -> None:
    name = unique("stranger")
    began = time.monotonic()
    refusal = refused(lambda: stranger.create(pb.CreateClusterRequest(name=name, spec=SPEC), timeout=TIMEOUT))
    assert (refusal.code, time.monotonic() - began < 5) == ("UNAVAILABLE", True)
    assert site.state(name) == []
    assert client.create(pb.CreateClusterRequest(name=name, spec=SPEC), timeout=TIMEOUT).created


def test_server_of_another_authority_is_not_trusted(workers: list[Worker], tmp_path: Path) -> None:
    with Client(workers[0].address, tls=Authority.new("another").client(tmp_path / "tls")) as stranger:
        refusal = refused(lambda: stranger.get(pb.GetClusterRequest(name="any"), timeout=TIMEOUT))
    assert refusal.code == "UNAVAILABLE"


@pytest.mark.parametrize("port", ["grpc", "health", "metrics"])
def test_garbage_on_the_ports(workers: list[Worker], client: Client, port: str) -> None:
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    worker = workers[0]
    connections = [socket.create_connection(("127.0.0.1", worker.ports[port]), timeout=5) for _ in range(20)]
    for connection in connections:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[: chance.randrange(25)] + chance.randbytes(5000))
    absent = pb.GetClusterRequest(name=unique("none"))
    assert refused(lambda: client.get(absent, timeout=TIMEOUT)).code == "NOT_FOUND"
    assert worker.health(READY) == "SERVING"
    assert worker.metrics()
    for connection in connections:
        connection.close()


def test_deadline_of_a_millisecond(site: Site, client: Client) -> None:
    name = unique("soon")
    request = pb.CreateClusterRequest(name=name, spec=SPEC, request_id="once")
    refusals = [refused(lambda: client.create(request, timeout=0.001)) for _ in range(10)]
    assert {refusal.code for refusal in refusals} == {"DEADLINE_EXCEEDED"}
    answer = client.create(request, timeout=TIMEOUT)
    assert (answer.created, answer.cluster.state) == (True, pb.RUNNING)
    assert [line.rpartition(" ")[2] for line in site.state(name)] == ["1", "1", "pods"]


def test_deadline_is_told_with_what_is_known(site: Site, client: Client) -> None:
    name = unique("late")
    held = pb.ClusterSpec(replicas=1, labels={HELD: "yes"})
    began = time.monotonic()
    refusal = refused(lambda: client.create(pb.CreateClusterRequest(name=name, spec=held), timeout=1.5))
    assert (refusal.brief, time.monotonic() - began < 1.5) == (("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"), True)
    assert refusal.cause
    assert "0 of 1" in f"{refusal.message} {refusal.cause.summary}"
    assert len(site.items("deployments", name)) == 1


def test_cancelled_call_changes_nothing_that_was_done(site: Site, client: Client) -> None:
    name = unique("cancelled")
    held = pb.ClusterSpec(replicas=1, labels={HELD: "yes"})
    request = pb.CreateClusterRequest(name=name, spec=held, request_id="once")
    future = client.create.future(request, timeout=TIMEOUT)
    eventually(lambda: site.items("pods", name), within=10, what="a pod")
    before = site.state(name)
    assert future.cancel()
    again = client.create.future(request, timeout=TIMEOUT)
    assert site.state(name) == before
    site.release(name, 1)
    answer = again.result()
    assert (answer.created, answer.cluster.state, answer.cluster.uid) == (True, pb.RUNNING, before[0].split()[0])


@pytest.fixture(scope="module")
def odd(site: Site) -> Iterator[Worker]:
    """A worker that places clusters where no node is, and takes calls only with a token."""
    tokens = site.home / "tokens.json"
    tokens.write_text(json.dumps({"operator": hashlib.sha256(TOKEN.encode()).hexdigest()}))
    selector = json.dumps({"example.org/nowhere": "yes"})
    with site.running(1, NODE_SELECTOR=selector, TOKENS_FILE=str(tokens)) as [worker]:
        yield worker


@pytest.mark.parametrize("token", ["", "wrong", TOKEN.upper()])
def test_token_is_wrong(site: Site, odd: Worker, token: str) -> None:
    name = unique("token")
    request = pb.CreateClusterRequest(name=name, spec=SPEC)
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with site.client(odd) as client:
        refusal = refused(lambda: client.create(request, timeout=TIMEOUT, metadata=metadata))
    assert refusal.code == "UNAUTHENTICATED"
    assert site.state(name) == []


def test_label_that_no_node_carries_is_told_in_seconds(site: Site, odd: Worker) -> None:
    name = unique("nowhere")
    metadata = (("authorization", f"Bearer {TOKEN}"),)
    began = time.monotonic()
    with site.client(odd) as client:
        request = pb.CreateClusterRequest(name=name, spec=SPEC, keep_failed=True)
        refusal = refused(lambda: client.create(request, timeout=60, metadata=metadata))
        assert (refusal.brief, time.monotonic() - began < 10) == (("FAILED_PRECONDITION", "NODE_LABEL_MISSING"), True)
        assert "example.org/nowhere" in refusal.message
        cluster = client.get(pb.GetClusterRequest(name=name), timeout=TIMEOUT, metadata=metadata)
    assert (cluster.owner, cluster.state, cluster.cause.code) == ("operator", pb.FAILED, "node_label_missing")
