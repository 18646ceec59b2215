"""Calls are repeated until they are answered, and never do a thing twice."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import pytest
from slipway.v1 import clusters_pb2 as pb
from slipwayctl.calls import Clusters
from slipwayctl.connection import Access, Connection, DirectRoute
from slipwayctl.errors import CallFailedError

from tests.support.authority import Authority
from tests.unit.slipwayctl.double import Double, after, before, retry_in, served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

T = TypeVar("T")
Code = grpc.StatusCode


def by(address: str, tls: Path, use: Callable[[Clusters], Awaitable[T]], **more: Any) -> T:
    """Use the calls to an address."""

    async def used() -> T:
        connection = Connection(DirectRoute(Access(address=address, tls_dir=str(tls))))
        async with contextlib.aclosing(connection):
            return await use(Clusters(connection, **more))

    return asyncio.run(used())


def creation(**more: Any) -> pb.CreateClusterRequest:
    return pb.CreateClusterRequest(name="demo", spec=pb.ClusterSpec(replicas=3), request_id="r-1", **more)


@pytest.mark.parametrize(
    "fault",
    [before(Code.UNAVAILABLE), after(Code.UNAVAILABLE), before(Code.CANCELLED), before(Code.ABORTED, retry_in(0.05))],
    ids=["nothing happened", "the answer was lost", "the worker ended", "come again"],
)
def test_create_is_repeated_as_the_same(double: Double, address: str, tls: Path, fault: Any) -> None:
    double.faults["create"] += [fault, fault]
    answer = by(address, tls / "client", lambda clusters: clusters.create(creation(), 10))
    assert answer.cluster.state == pb.RUNNING
    assert double.asked(pb.CreateClusterRequest) == [creation()] * 3
    assert len(double.clusters) == 1


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.PERMISSION_DENIED, Code.RESOURCE_EXHAUSTED])
def test_refusals_are_not_repeated(double: Double, address: str, tls: Path, code: Code) -> None:
    double.faults["create"].append(before(code))
    with pytest.raises(CallFailedError) as caught:
        by(address, tls / "client", lambda clusters: clusters.create(creation(), 10))
    assert caught.value.failure.code is code
    assert len(double.requests) == 1


def test_delete_asked_again_finds_it_gone(double: Double, address: str, tls: Path) -> None:
    async def use(clusters: Clusters) -> pb.DeleteClusterResponse:
        await clusters.create(creation())
        double.faults["delete"].append(after(Code.UNAVAILABLE))
        return await clusters.delete(pb.DeleteClusterRequest(name="demo"), 10)

    assert by(address, tls / "client", use) == pb.DeleteClusterResponse()
    assert [request.allow_missing for request in double.asked(pb.DeleteClusterRequest)] == [False, True]


def test_delete_of_nothing_fails_although_no_worker_was_there_at_first(double: Double, tls: Path) -> None:
    async def use(clusters: Clusters, port: int) -> None:
        asked = asyncio.create_task(clusters.delete(pb.DeleteClusterRequest(name="demo"), 20))
        await asyncio.sleep(1)
        with served(double, tls / "server", port=port):
            await asked

    with served(double, tls / "server") as port:
        pass
    with pytest.raises(CallFailedError) as caught:
        by(f"127.0.0.1:{port}", tls / "client", lambda clusters: use(clusters, port))
    assert caught.value.failure.code is Code.NOT_FOUND


def test_all_pages_are_listed(address: str, tls: Path) -> None:
    names = ["a", "b", "c", "d", "e"]

    async def use(clusters: Clusters) -> list[pb.Cluster]:
        for name in names:
            await clusters.create(pb.CreateClusterRequest(name=name, request_id=name))
        return await clusters.list()

    assert [each.name for each in by(address, tls / "client", use)] == names


def test_the_token_is_shown(double: Double, address: str, tls: Path) -> None:
    by(address, tls / "client", lambda clusters: clusters.list(), token="secret")
    assert double.metadata["authorization"] == "Bearer secret"


def test_nobody_answers(tls: Path, double: Double) -> None:
    with served(double, tls / "server") as port:
        pass
    notes: list[str] = []
    began = time.monotonic()
    with pytest.raises(
        CallFailedError, match=r"no answer within 3 s; the last attempt: .*Connection refused"
    ) as caught:
        by(f"127.0.0.1:{port}", tls / "client", lambda clusters: clusters.list(within=3), note=notes.append)
    assert 2 < time.monotonic() - began < 4
    assert "Does a worker run" in caught.value.remedy
    assert len(notes) == 1


def test_a_worker_that_says_nothing(double: Double, address: str, tls: Path) -> None:
    double.faults["list"].append(lambda _, __: time.sleep(2))
    with pytest.raises(CallFailedError, match=r"no answer within 0\.5 s"):
        by(address, tls / "client", lambda clusters: clusters.list(within=0.5))


def test_a_worker_of_another_authority_is_refused_at_once(address: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(CallFailedError, match="CERTIFICATE_VERIFY_FAILED"):
        by(address, Authority.new("other").client(tmp_path), lambda clusters: clusters.list(within=30))
    assert time.monotonic() - began < 5


def test_goes_on_soon_after_the_first_worker_is_there(double: Double, tls: Path) -> None:
    with served(double, tls / "server") as port:
        pass

    async def use(clusters: Clusters) -> float:
        asked = asyncio.create_task(clusters.list(within=60))
        await asyncio.sleep(3)
        with served(double, tls / "server", port=port):
            began = time.monotonic()
            await asked
            return time.monotonic() - began

    assert by(f"127.0.0.1:{port}", tls / "client", use) < 3


def test_watch_sees_each_state_until_the_end(double: Double, address: str, tls: Path) -> None:
    double.faults["watch"].append(before(Code.UNAVAILABLE))

    async def use(clusters: Clusters) -> list[tuple[int, int]]:
        async def see() -> list[tuple[int, int]]:
            watched = clusters.watch(pb.WatchClusterRequest(name="demo", await_creation=True))
            return [(seen.cluster.state, seen.cluster.spec.replicas) async for seen in watched]

        seeing = asyncio.create_task(see())
        for call in (
            lambda: clusters.create(creation()),
            lambda: clusters.scale(pb.ScaleClusterRequest(name="demo", replicas=5)),
            lambda: clusters.delete(pb.DeleteClusterRequest(name="demo")),
        ):
            await asyncio.sleep(0.5)
            await call()
        return await asyncio.wait_for(seeing, 10)

    assert by(address, tls / "client", use) == [(pb.RUNNING, 3), (pb.RUNNING, 5), (pb.DELETED, 5)]


def test_watch_of_nothing(address: str, tls: Path) -> None:
    async def use(clusters: Clusters) -> None:
        async for _ in clusters.watch(pb.WatchClusterRequest(name="demo")):
            pass

    with pytest.raises(CallFailedError) as caught:
        by(address, tls / "client", use)
    assert caught.value.failure.code is Code.NOT_FOUND
