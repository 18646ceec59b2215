"""The publisher against a real API server and real object stores: what is listed, and what stores may do meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.publisher import Publisher, Service, listed, names, pods
from tests.support.stores import VersityGateway
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.api_server import ApiServer
    from tests.support.stores import Bucket


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VersityGateway]:
    with VersityGateway(tmp_path / "store") as store:
        yield store


@pytest.fixture
def bucket(store: VersityGateway) -> Bucket:
    return store.bucket("podlister")


@pytest.fixture
def service(api: ApiServer, namespace: str) -> Service:
    return Service(api, namespace).create()


@pytest.fixture
def publisher(tmp_path: Path, kubeconfig: Path, namespace: str, bucket: Bucket) -> Publisher:
    """One, not started yet, whose bucket is its own to make."""
    return Publisher(tmp_path / "publisher", kubeconfig, namespace, targets=[bucket.target("one", create=True)])


def shows(bucket: Bucket, wanted: list[str], *, within: float = 20) -> None:
    eventually(lambda: listed(bucket) == wanted, within=within, what=f"{wanted} listed", every=0.02)


def test_every_change_is_listed_and_kept(publisher: Publisher, bucket: Bucket, service: Service) -> None:
    three = pods(3)
    service.set(three)
    with publisher:
        shows(bucket, names(three))
        first = bucket.json("index.json")
        began = time.monotonic()
        service.set(three[1:])
        shows(bucket, names(three[1:]))
        assert time.monotonic() - began < 2.5
        second = bucket.json("index.json")
        assert publisher.logged("error") == []
    assert second["generation"] == first["generation"] + 1
    assert [each["since"] for each in second["endpoints"]] == [each["since"] for each in first["endpoints"][1:]]
    entry = bucket.json(second["history"])
    assert [each["pod"] for each in entry["went"]] == names(three[:1])
    assert entry["came"] == []
    assert entry["endpoints"] == second["endpoints"]
    rows = bucket.json("history/latest.json")["entries"]
    assert [row["key"] for row in rows] == [second["history"], first["history"]]
    assert [(row["count"], row["came"], row["went"]) for row in rows] == [
        (2, [], names(three[:1])),
        (3, names(three), []),
    ]
    assert all(name in (bucket.read("index.html") or b"").decode() for name in names(three[1:]))
    assert bucket.keys("probe") == []
    assert [bucket.anonymous(key) for key in ("index.html", "index.json", second["history"])] == [200, 200, 200]
    assert bucket.anonymous("probe/x") in (403, 404)
    headers = bucket.ask("GET", "index.html").headers
    assert (headers["Content-Type"], headers["Cache-Control"]) == ("text/html; charset=utf-8", "no-cache")
