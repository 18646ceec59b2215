"""What callers, metrics and the log get of each call, from a real server on loopback."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from slipway.v1 import clusters_pb2 as pb
from slipway.v1 import clusters_pb2_grpc
from slipway_worker.identity import Gate, caller
from slipway_worker.metrics import Metrics
from slipway_worker.server import SERVICE, Server
from slipway_worker.settings import from_environ
from slipway_worker.status import Refusal
from slipway_worker.tls import Certificates

from tests.support.authority import SERVER_NAME, Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Context = grpc.aio.ServicerContext[Any, Any]

AUTHORITY = Authority.new("calls")


class Clusters(clusters_pb2_grpc.ClustersServicer):
    """Does what the name of the cluster says."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def GetCluster(self, request: pb.GetClusterRequest, context: Context) -> pb.Cluster:  # noqa: N802
        """Answer, or not."""
        await self._do(request.name, context)
        return pb.Cluster(owner=caller())

    async def WatchCluster(  # noqa: N802
        self, request: pb.WatchClusterRequest, context: Context
    ) -> AsyncIterator[pb.WatchClusterResponse]:
        """Answer twice, and something in between."""
        yield pb.WatchClusterResponse(message="1")
        await self._do(request.name, context)
        yield pb.WatchClusterResponse(message="2")

    async def _do(self, name: str, context: Context) -> None:
        self.begun.set()
        if name == "wait":
            await asyncio.Event().wait()
        if name == "refuse":
            raise Refusal("not_found", "there is none")
        if name == "abort":
            await context.abort(grpc.StatusCode.ABORTED, "as gRPC has it")
        if name == "fail":
            raise ValueError("a secret")


@dataclass
class Streams:
    """Those that are as a test says."""

    synced: bool = True
    fresh: bool = True


@dataclass
class Running:
    """A server that serves, and a channel to it."""

    server: Server
    clusters: Clusters
    metrics: Metrics
    streams: Streams
    channel: grpc.aio.Channel
    serving: asyncio.Task[None]

    @property
    def stub(self) -> Any:
        """The methods that the server has."""
        return clusters_pb2_grpc.ClustersStub(self.channel)

    def counted(self) -> dict[tuple[str, str], int]:
        """How many calls ended, by method and code."""
        found: Counter[tuple[str, str]] = Counter()
        for family in self.metrics.registry.collect():
            for sample in family.samples:
                if sample.name == "slipway_request_seconds_count":
                    found[sample.labels["method"], sample.labels["code"]] += int(sample.value)
        return dict(found)

    def under_way(self, method: str) -> float | None:
        """How many calls of a method have begun and not ended."""
        return self.metrics.registry.get_sample_value("slipway_in_flight", {"method": method})


def run(home: Path, trial: Callable[[Running], Awaitable[None]], **environ: str) -> None:
    """Run a trial with a server of its own."""

    async def main() -> None:
        tls = AUTHORITY.server(home / "server")
        addresses = dict.fromkeys(("SLIPWAY_LISTEN", "SLIPWAY_HEALTH_LISTEN"), "127.0.0.1:0")
        settings = from_environ({"SLIPWAY_NAMESPACES": "a", "SLIPWAY_DRAIN": "1", **addresses, **environ})
        clusters, metrics, streams = Clusters(), Metrics(), Streams()
        gate = Gate(settings.tokens_file)
        server = Server(settings, clusters, gate=gate, certificates=Certificates(tls), metrics=metrics)
        serving = asyncio.create_task(server.serve(streams))
        ours = AUTHORITY.client(home / "client")
        key, chain = ((ours / name).read_bytes() for name in ("tls.key", "tls.crt"))
        credentials = grpc.ssl_channel_credentials(AUTHORITY.pem, key, chain)
        options = [("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(f"127.0.0.1:{server.port}", credentials, options) as channel:
            await channel.channel_ready()
            await trial(Running(server, clusters, metrics, streams, channel, serving))
        server.leave()
        await serving

    asyncio.run(main())


def told(error: grpc.aio.AioRpcError) -> str:
    """Return the reason in the details of an error, empty if it has none."""
    info = error_details_pb2.ErrorInfo()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            status_pb2.Status.FromString(value).details[0].Unpack(info)
    return info.reason


async def ended(running: Running, method: str) -> None:
    """Return when no call of a method is under way: the server learns a moment later that nobody waits."""
    async with asyncio.timeout(10):
        while running.under_way(method):  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.01)


async def services(channel: grpc.aio.Channel) -> list[str]:
    """Ask a server for its services."""
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(asked, timeout=10)
    return [each.name async for answer in answers for each in answer.list_services_response.service]


@pytest.mark.parametrize(
    ("name", "code", "reason", "message"),
    [
        ("refuse", "NOT_FOUND", "NOT_FOUND", "there is none"),
        ("abort", "ABORTED", "", "as gRPC has it"),
        ("fail", "INTERNAL", "INTERNAL", "The worker made a mistake; its log tells which."),
    ],
)
def test_a_call_that_fails_is_told_counted_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, code: str, reason: str, message: str
) -> None:
    caplog.set_level(logging.INFO)

    async def trial(running: Running) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await running.stub.GetCluster(pb.GetClusterRequest(name=name), timeout=10)
        with pytest.raises(grpc.aio.AioRpcError) as of_stream:
            async for _ in running.stub.WatchCluster(pb.WatchClusterRequest(name=name), timeout=10):
                pass
        for each in (error.value, of_stream.value):
            assert (each.code().name, told(each), each.details()) == (code, reason, message)
        assert running.counted() == {("GetCluster", code): 1, ("WatchCluster", code): 1}
        assert running.under_way("GetCluster") == running.under_way("WatchCluster") == 0

    run(tmp_path, trial)
    lines = [
        vars(record) for record in caplog.records if record.name == "slipway_worker.calls" and "code" in vars(record)
    ]
    assert [(line["method"], line["code"], line["cluster"], line["caller"]) for line in lines] == [
        ("GetCluster", code, name, "driver"),
        ("WatchCluster", code, name, "driver"),
    ]


def test_a_call_that_nobody_waits_for_any_more_is_counted_as_what_it_was(tmp_path: Path) -> None:
    async def trial(running: Running) -> None:
        with pytest.raises(grpc.aio.AioRpcError):
            await running.stub.GetCluster(pb.GetClusterRequest(name="wait"), timeout=0.2)
        await ended(running, "GetCluster")
        call = running.stub.GetCluster(pb.GetClusterRequest(name="wait"))
        running.clusters.begun.clear()
        await running.clusters.begun.wait()
        assert running.under_way("GetCluster") == 1
        call.cancel()
        watch = running.stub.WatchCluster(pb.WatchClusterRequest(name="wait"), timeout=10)
        await watch.read()
        watch.cancel()
        await ended(running, "GetCluster")
        await ended(running, "WatchCluster")
        codes = ("DEADLINE_EXCEEDED", "CANCELLED")
        assert running.counted() == {
            **{("GetCluster", code): 1 for code in codes},
            ("WatchCluster", "CANCELLED"): 1,
        }

    run(tmp_path, trial)


def test_what_is_no_message_is_an_invalid_argument(tmp_path: Path) -> None:
    async def trial(running: Running) -> None:
        raw: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = running.channel.unary_unary(f"/{SERVICE}/GetCluster")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await raw(b"\xff\xff\xff", timeout=10)
        assert (error.value.code().name, told(error.value)) == ("INVALID_ARGUMENT", "MESSAGE_UNREADABLE")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await running.stub.GetCluster(pb.GetClusterRequest(name="x" * (1 << 20)), timeout=10)
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    run(tmp_path, trial)


def test_without_its_token_a_caller_gets_health_alone(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("{}")

    async def trial(running: Running) -> None:
        health = health_pb2_grpc.HealthStub(running.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await running.stub.GetCluster(pb.GetClusterRequest(), timeout=10)
        assert (error.value.code().name, told(error.value)) == ("UNAUTHENTICATED", "TOKEN_MISSING")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await services(running.channel)
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert running.counted() == {("GetCluster", "UNAUTHENTICATED"): 1}

    run(tmp_path, trial, SLIPWAY_TOKENS_FILE=str(tmp_path / "tokens"))


def test_reflection_tells_what_can_be_called(tmp_path: Path) -> None:
    async def trial(running: Running) -> None:
        assert SERVICE in await services(running.channel)
        assert (await running.stub.GetCluster(pb.GetClusterRequest(), timeout=10)).owner == "driver"

    run(tmp_path, trial)


def test_health_follows_the_streams(tmp_path: Path) -> None:
    async def trial(running: Running) -> None:
        running.streams.synced = False
        async with grpc.aio.insecure_channel(f"127.0.0.1:{running.server.health_port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            watch = health.Watch(health_pb2.HealthCheckRequest(service="ready"), timeout=10)
            while (await watch.read()).status != health_pb2.HealthCheckResponse.NOT_SERVING:
                pass
            alive = await health.Check(health_pb2.HealthCheckRequest(), timeout=10)
            assert alive.status == health_pb2.HealthCheckResponse.SERVING
            running.streams.synced = True
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            running.server.leave()
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING

    run(tmp_path, trial)


def test_a_worker_that_leaves_sends_its_callers_elsewhere(tmp_path: Path) -> None:
    async def trial(running: Running) -> None:
        watch = running.stub.WatchCluster(pb.WatchClusterRequest(name="wait"), timeout=10)
        await watch.read()
        wait = running.stub.GetCluster(pb.GetClusterRequest(name="wait"), timeout=10)
        running.clusters.begun.clear()
        await running.clusters.begun.wait()
        running.server.leave()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await watch.read()
        assert (error.value.code().name, told(error.value)) == ("UNAVAILABLE", "WORKER_LEAVING")
        assert not wait.done()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await wait
        assert (error.value.code().name, told(error.value)) == ("UNAVAILABLE", "WORKER_LEAVING")
        await running.serving
        assert running.counted() == {(each, "UNAVAILABLE"): 1 for each in ("GetCluster", "WatchCluster")}

    run(tmp_path, trial)
