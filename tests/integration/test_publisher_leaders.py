"""Several publishers: one publishes, and whatever becomes of it, the list goes on."""

from __future__ import annotations

import json
import signal
import threading
import time
from contextlib import ExitStack
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

GAP = 15.0  # seconds that nobody may publish for, at most


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    with VersityGateway(tmp_path / "store") as store:
        yield store.bucket("podlister")


@pytest.fixture
def service(api: ApiServer, namespace: str) -> Service:
    return Service(api, namespace).create()


@pytest.fixture
def two(tmp_path: Path, kubeconfig: Path, namespace: str, bucket: Bucket) -> Iterator[list[Publisher]]:
    """Two of them, of which one leads."""
    targets = [bucket.target("one", create=True)]
    publishers = [Publisher(tmp_path / name, kubeconfig, namespace, targets=targets) for name in ("first", "second")]
    with ExitStack() as stack:
        for each in publishers:
            stack.enter_context(each)
        yield publishers


def leader_of(publishers: list[Publisher]) -> tuple[Publisher, Publisher]:
    """The one that leads, and the other."""

    def found() -> list[Publisher]:
        return (
            sorted(publishers, key=lambda each: not each.leads())
            if sum(each.leads() for each in publishers) == 1
            else []
        )

    leader, other = eventually(found, within=20, what="one leads")
    return leader, other


class Generations:
    """The generations that a bucket has shown, by a watcher that looks all the time."""

    def __init__(self, bucket: Bucket) -> None:
        self.seen: list[int] = []
        self._bucket = bucket
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Generations:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopping.wait(0.02):
            if index := self._bucket.json("index.json"):
                self.seen.append(index["generation"])


def shows(bucket: Bucket, count: int, *, within: float = 10) -> None:
    wanted = names(pods(count))
    eventually(lambda: listed(bucket) == wanted, within=within, what=f"{count} listed", every=0.02)


def complete(bucket: Bucket, counts: list[int]) -> None:
    """The history has every state, the newest first."""

    def rows() -> list[int]:
        latest = bucket.json("history/latest.json")  # written last: who was killed may have written none
        return [row["count"] for row in latest["entries"]] if latest else []

    eventually(lambda: rows() == counts, within=10, what=f"the history {counts}")
    assert all(bucket.json(row["key"]) for row in bucket.json("history/latest.json")["entries"])


def test_a_leader_that_is_killed_is_replaced(two: list[Publisher], bucket: Bucket, service: Service) -> None:
    service.set(pods(1))
    shows(bucket, 1)
    since = bucket.json("index.json")["endpoints"][0]["since"]
    leader, other = leader_of(two)
    leader.kill()
    killed = time.monotonic()
    service.set(pods(2))
    shows(bucket, 2, within=GAP)
    print(f"gap: {time.monotonic() - killed:.1f} s")
    assert other.leads()
    complete(bucket, [2, 1])
    assert bucket.json("index.json")["endpoints"][0]["since"] == since


def test_a_leader_that_ends_lets_the_other_one_go_on_at_once(
    two: list[Publisher], bucket: Bucket, service: Service
) -> None:
    service.set(pods(1))
    shows(bucket, 1)
    leader, _other = leader_of(two)
    assert leader.terminate() == 0
    service.set(pods(2))
    shows(bucket, 2, within=5)


def test_a_leader_that_was_stopped_past_its_time_writes_nothing(
    two: list[Publisher], bucket: Bucket, service: Service
) -> None:
    service.set(pods(1))
    shows(bucket, 1)
    leader, other = leader_of(two)
    with Generations(bucket) as generations:
        leader.send(signal.SIGSTOP)
        service.set(pods(2))
        shows(bucket, 2, within=GAP)
        service.set(pods(3))
        shows(bucket, 3)
        leader.send(signal.SIGCONT)
        for count in (4, 5, 6):
            service.set(pods(count))
            shows(bucket, count)
        eventually(lambda: not leader.leads() and other.leads(), within=10, what="only the other one leads")
    assert generations.seen == sorted(generations.seen), "the generation went back"
    complete(bucket, [6, 5, 4, 3, 2, 1])


def test_the_lease_is_lost_and_the_generation_goes_on(two: list[Publisher], bucket: Bucket, service: Service) -> None:
    service.set(pods(1))
    shows(bucket, 1)
    service.api.request("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{service.namespace}/leases/publisher")
    service.set(pods(2))
    shows(bucket, 2)
    leader_of(two)
    with Generations(bucket) as generations:
        service.set(pods(3))
        shows(bucket, 3)
    assert generations.seen == sorted(generations.seen)


def test_a_newer_state_of_another_makes_a_leader_step_down(
    two: list[Publisher], bucket: Bucket, service: Service
) -> None:
    service.set(pods(1))
    shows(bucket, 1)
    leader_of(two)
    index = bucket.json("index.json")
    bucket.write("index.json", json.dumps({**index, "generation": 1000, "endpoints": []}).encode())
    service.set(pods(2))
    shows(bucket, 2, within=GAP)
    assert bucket.json("index.json")["generation"] > 1000
    assert any("Step down" in line["message"] for each in two for line in each.logged("warning"))


def test_the_api_server_is_away_and_comes_back(
    api: ApiServer, two: list[Publisher], bucket: Bucket, service: Service
) -> None:
    service.set(pods(2))
    shows(bucket, 2)
    before = bucket.json("index.json")
    api.stop_api()
    try:
        time.sleep(8)
        assert bucket.json("index.json") == before
        assert [each.get("/healthz") for each in two] == [200, 200]
    finally:
        api.start_api()
    service.set(pods(3))
    shows(bucket, 3, within=GAP)
    leader_of(two)
