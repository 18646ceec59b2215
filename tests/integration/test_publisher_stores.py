"""The publisher against a real API server and real object stores: what is listed, and what stores may do meanwhile."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.publisher import Pod, Publisher, Service, listed, names, pods
from tests.support.stores import PlainStore, VersityGateway
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


def contents(bucket: Bucket, count: int) -> list[dict[str, Any]]:
    """The table of contents, which is written last, once it has so many rows."""

    def rows() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (bucket.json("history/latest.json") or {"entries": []})["entries"]
        assert len(found) == count
        return found

    return eventually(rows, within=5, what="the table of contents", every=0.02)


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
        contents(bucket, 2)
        assert publisher.logged("error") == []
    assert second["generation"] == first["generation"] + 1
    assert [each["since"] for each in second["endpoints"]] == [each["since"] for each in first["endpoints"][1:]]
    entry = bucket.json(second["history"])
    assert [each["pod"] for each in entry["went"]] == names(three[:1])
    assert entry["came"] == []
    assert entry["endpoints"] == second["endpoints"]
    rows = contents(bucket, 2)
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


def test_nothing_is_written_where_nothing_has_changed(publisher: Publisher, bucket: Bucket, service: Service) -> None:
    service.set(pods(2))
    with publisher:
        shows(bucket, names(pods(2)))
        before = bucket.json("index.json")
        service.set([*pods(2), Pod("10.9.9.9", "not-ready", ready=False)])
        service.set(pods(2))
        service.set(pods(2), piece="another")  # each address twice
        time.sleep(1)
        assert publisher.terminate() == 0
        publisher.start()  # another leader
        eventually(publisher.leads, within=20, what="it leads")
        time.sleep(1)
        assert bucket.json("index.json") == before
        assert len(bucket.json("history/latest.json")["entries"]) == 1


def test_a_burst_is_one_state_and_what_lasts_is_kept(publisher: Publisher, bucket: Bucket, service: Service) -> None:
    with publisher:
        shows(bucket, [])
        for number in range(1, 11):
            service.set(pods(number))
        shows(bucket, names(pods(10)))
        counts = eventually(lambda: begins_with(bucket, 10), within=5, what="the history of 10")
        assert len(counts) <= 3, "a burst is not published change by change"
        for number in range(11, 61):  # a change each 100 ms: never quiet, so after the longest time at most
            service.set(pods(number))
            time.sleep(0.1)
        service.set(pods(7))
        shows(bucket, names(pods(7)))
        counts = eventually(lambda: begins_with(bucket, 7), within=5, what="the history of 7")
        assert len(counts) >= 4


def test_many_endpoints_of_both_families_and_names_that_are_markup(
    publisher: Publisher, bucket: Bucket, service: Service
) -> None:
    many = pods(4999)
    for first in range(0, len(many), 100):
        service.set(many[first : first + 100], piece=f"four-{first}")
    markup = '<script>alert("1")</script>&'
    service.set([Pod("fd00::a", markup), *pods(2, family=6)], piece="six", family="IPv6")
    with publisher:
        eventually(lambda: len(listed(bucket)) == 5002, within=30, what="all are listed")
        index = bucket.json("index.json")
        page = (bucket.read("index.html") or b"").decode()
        seconds = 'slipway_publisher_publish_seconds_sum{target="one"}'  # told when the history is there too
        took = eventually(lambda: publisher.metrics().get(seconds, 0.0), within=10, what="how long it took is told")
    addresses = [each["ip"] for each in index["endpoints"]]
    assert addresses[:2] == ["10.1.0.1", "10.1.0.2"]
    assert addresses[-3:] == ["fd00::1", "fd00::2", "fd00::a"]
    assert index["endpoints"][-1]["pod"] == markup
    assert markup not in page
    assert "&lt;script&gt;" in page
    assert took < 10


def test_stores_that_are_away_miss_nothing(
    tmp_path: Path, kubeconfig: Path, namespace: str, service: Service, store: VersityGateway
) -> None:
    with VersityGateway(tmp_path / "other") as other:
        one, two = store.bucket("podlister"), other.bucket("podlister")
        targets = [one.target("one", create=True), two.target("two", create=True)]
        service.set(pods(1))
        with Publisher(tmp_path / "publisher", kubeconfig, namespace, targets=targets) as publisher:
            shows(one, names(pods(1)))
            shows(two, names(pods(1)))
            other.pause()  # takes connections, and does not answer
            service.set(pods(2))
            shows(one, names(pods(2)), within=2.5)
            store.stop()
            for count in (3, 4):
                service.set(pods(count))
                time.sleep(3)
            other.go_on()
            store.start()
            for each in (one, two):
                shows(each, names(pods(4)))
                eventually(partial(complete, each, [4, 3, 2, 1]), within=20, what="a complete history")
            problems = [line["target"] for line in publisher.logged("error")]
            assert sorted(problems) == ["one", "two"], "one line for each outage"
            assert publisher.logged("critical") == []


def test_a_store_is_not_ahead_of_the_one_that_readers_ask_before_it(
    tmp_path: Path, kubeconfig: Path, namespace: str, service: Service, store: VersityGateway
) -> None:
    with VersityGateway(tmp_path / "other") as other:
        one, two = store.bucket("podlister"), other.bucket("podlister")
        targets = [one.target("one", create=True), two.target("two", create=True)]
        service.set(pods(1))
        with Publisher(tmp_path / "publisher", kubeconfig, namespace, targets=targets):
            shows(two, names(pods(1)))
            store.pause()  # it is slow
            service.set(pods(2))
            time.sleep(1.2)
            assert listed(two) == names(pods(1))
            store.go_on()
            shows(two, names(pods(2)), within=1)
            assert listed(one) == names(pods(2))
            store.pause()  # it hangs
            service.set(pods(3))
            shows(two, names(pods(3)), within=3)


@pytest.mark.parametrize("while_away", [False, True], ids=["at once", "after a restart of the publisher"])
def test_a_store_that_comes_back_empty_is_filled(  # each is a fixture
    tmp_path: Path, kubeconfig: Path, namespace: str, service: Service, store: VersityGateway, while_away: bool
) -> None:
    with VersityGateway(tmp_path / "other") as other:
        one, two = store.bucket("podlister"), other.bucket("podlister")
        targets = [one.target("one", create=True), two.target("two", create=True)]
        with Publisher(tmp_path / "publisher", kubeconfig, namespace, targets=targets) as publisher:
            for count in (1, 2, 3):
                service.set(pods(count))
                shows(two, names(pods(count)))
            other.stop()
            other.empty()
            if while_away:
                publisher.kill()
                publisher.start()
            other.start()
            eventually(lambda: history(two)[:3] == [3, 2, 1], within=30, what="the history is there again")
            assert listed(two) == names(pods(3))
            eventually(lambda: same(one, two), within=10, what="both stores have the same")
            assert two.anonymous("index.json") == 200


def same(one: Bucket, two: Bucket) -> bool:
    keys = {bucket.port: bucket.keys() for bucket in (one, two)}
    assert keys[one.port] == keys[two.port]
    return all(one.read(key) == two.read(key) for key in keys[one.port])


def begins_with(bucket: Bucket, count: int) -> list[int]:
    counts = history(bucket)
    assert counts[:1] == [count]
    return counts


def complete(bucket: Bucket, counts: list[int]) -> bool:
    return history(bucket) == counts


def history(bucket: Bucket) -> list[int]:
    """How many were listed in each state, the newest first. Every entry must be there."""
    found = bucket.json("history/latest.json")
    rows = found["entries"] if found else []
    for row in rows:
        entry = bucket.json(row["key"])
        assert entry is not None, row
        assert (entry["generation"], len(entry["endpoints"])) == (row["generation"], row["count"])
    return [row["count"] for row in rows]


def test_the_history_is_kept_by_count(
    tmp_path: Path, kubeconfig: Path, namespace: str, service: Service, bucket: Bucket
) -> None:
    settings = {"SLIPWAY_HISTORY_COUNT": "3", "SLIPWAY_QUIET": "0.05"}
    targets = [bucket.target("one", create=True)]
    with Publisher(tmp_path / "publisher", kubeconfig, namespace, targets=targets, settings=settings):
        for count in range(1, 18):
            service.set(pods(count))
            shows(bucket, names(pods(count)))
        entries = eventually(lambda: kept(bucket, below=14), within=10, what="old entries are deleted")
        assert bucket.json("index.json")["history"] in entries


def kept(bucket: Bucket, *, below: int) -> list[str]:
    entries = [key for key in bucket.keys("history/") if key != "history/latest.json"]
    assert len(entries) < below
    return entries


def test_an_empty_list_needs_the_service(
    api: ApiServer, publisher: Publisher, bucket: Bucket, service: Service
) -> None:
    service.set(pods(2))
    with publisher:
        shows(bucket, names(pods(2)))
        api.request("DELETE", f"/api/v1/namespaces/{service.namespace}/services/{service.name}")
        service.drop("one")
        error = eventually(lambda: publisher.logged("error"), within=10, what="it is said")
        assert "there is no Service nginx-pool" in error[0]["message"]
        assert publisher.metrics()["slipway_publisher_service_found"] == 0
        time.sleep(5)  # and only once
        assert len(publisher.logged("error")) == 1
        assert listed(bucket) == names(pods(2))
        service.create()
        shows(bucket, [])


@pytest.mark.parametrize("conditions", ["ignored", "refused"])
def test_a_store_that_does_less_than_s3_is_published_to(
    tmp_path: Path, kubeconfig: Path, namespace: str, service: Service, conditions: str
) -> None:
    """By the seed's own variables and defaults, of which BUCKET_PRIVILEGE is public-read."""
    service.set(pods(2))
    with PlainStore(acls=False, conditions=conditions) as store:
        bucket = store.bucket("listing")
        settings = {
            "BUCKET_URL": bucket.url,
            "BUCKET_NAME": bucket.name,
            "SPACES_KEY": bucket.access,
            "SPACES_SECRET": bucket.secret,
        }
        with Publisher(tmp_path / "publisher", kubeconfig, namespace, settings=settings) as publisher:
            shows(bucket, names(pods(2)))
            service.set(pods(3))
            shows(bucket, names(pods(3)))
            contents(bucket, 2)
            warned = [line["message"] for line in publisher.logged("warning") if line.get("target") == "bucket"]
            assert len(warned) == 2, warned
            assert sum("refuses the ACL public-read" in line for line in warned) == 1
            assert sum("does not keep writers apart" in line for line in warned) == 1
            assert publisher.logged("error") == []
            assert publisher.metrics()['slipway_publisher_atomic{target="bucket"}'] == 0


def test_the_template_may_change(publisher: Publisher, bucket: Bucket, service: Service) -> None:
    service.set(pods(1))
    with publisher:
        shows(bucket, names(pods(1)))
        publisher.template_file.write_text("<p>{{ endpoints | length }} of {{ service }}</p>")
        eventually(lambda: bucket.read("index.html") == b"<p>1 of nginx-pool</p>", within=10, what="the new page")
        publisher.template_file.write_text("<p>{{ nobody }}</p>")
        eventually(lambda: publisher.metrics()["slipway_publisher_template_ok"] == 0, within=10, what="it is noticed")
        service.set(pods(2))
        shows(bucket, names(pods(2)))
        assert bucket.read("index.html") == b"<p>1 of nginx-pool</p>"
        assert len(publisher.logged("error")) == 1
        publisher.template_file.write_text("<p>{{ endpoints | length }}</p>")
        eventually(lambda: bucket.read("index.html") == b"<p>2</p>", within=10, what="the page after that")
        assert bucket.json("index.json")["generation"] == 2
