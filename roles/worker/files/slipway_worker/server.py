"""The worker's three ports, from the start until SIGTERM has been obeyed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import typing as t

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from slipway.v1 import clusters_pb2, clusters_pb2_grpc

from ansible_collections.slipway.cloud.plugins.module_utils.program.serving import PortError

from .calls import Calls

if t.TYPE_CHECKING:
    from .identity import Gate
    from .metrics import Metrics
    from .settings import Settings
    from .tls import Certificates

log = logging.getLogger(__name__)

ALIVE, READY = "", "ready"  # what health knows, besides the service itself
_CLUSTERS = clusters_pb2.DESCRIPTOR.services_by_name["Clusters"]
SERVICE = _CLUSTERS.full_name

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_LOOK = 0.2  # seconds between two looks at the streams
_LAST_WORDS = 0.5  # seconds before the end of the drain, in which calls that wait are told to ask elsewhere
_MINUTE = 60_000  # milliseconds

_OPTIONS: tuple[tuple[str, t.Any], ...] = (
    ("grpc.max_receive_message_length", 1 << 20),  # larger ones are RESOURCE_EXHAUSTED
    # Two workers on one port would share its connections without a word.
    ("grpc.so_reuseport", 0),
    # Who says nothing that makes sense is not listened to for long.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # A caller that is gone without a word is noticed, and its wait ended.
    ("grpc.keepalive_time_ms", _MINUTE),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Callers may look after their connections as often as they like, with calls under way or without.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.max_ping_strikes", 0),
    # Certificates are looked at when a connection is made: none may outlive its CA by much. Calls under way go on.
    ("grpc.max_connection_age_ms", 60 * _MINUTE),
)


class Streams(t.Protocol):
    """What tells whether the worker knows the state of the Kubernetes it works for."""

    @property
    def synced(self) -> bool:
        """Whether every stream has had its first list."""

    @property
    def fresh(self) -> bool:
        """Whether every stream was heard of lately."""


class Server:
    """Calls by mutual TLS, and health in plain text, since the kubelet has no certificate."""

    def __init__(
        self,
        settings: Settings,
        clusters: clusters_pb2_grpc.ClustersServicer,
        *,
        gate: Gate,
        certificates: Certificates,
        metrics: Metrics,
    ) -> None:
        metrics.show(method.name for method in _CLUSTERS.methods)
        self._drain = settings.drain
        self._leaving = asyncio.Event()
        self._health = t.cast(t.Any, health).aio.HealthServicer()
        self._calls = Calls(gate, metrics, SERVICE, settings.namespaces[0])
        self._server = grpc.aio.server(interceptors=[self._calls], options=_OPTIONS)
        clusters_pb2_grpc.add_ClustersServicer_to_server(clusters, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        self._probes = grpc.aio.server(options=_OPTIONS)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._probes)
        credentials = certificates.credentials()
        self.port = _bound(settings.listen, lambda at: self._server.add_secure_port(at, credentials))
        self.health_port = _bound(settings.health_listen, self._probes.add_insecure_port)

    async def serve(self, streams: Streams) -> None:
        """Serve until SIGTERM or SIGINT, and drain then."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.leave)
        await self._say(ready=False)
        await self._probes.start()
        await self._server.start()
        log.info("Serving", extra={"port": self.port, "health_port": self.health_port})
        await self._follow(streams)
        await self._stop()
        log.info("Drained")

    def leave(self) -> None:
        """Have serve() drain and return."""
        self._leaving.set()

    async def _follow(self, streams: Streams) -> None:
        """Say whether the worker is ready as that changes, until it is to leave."""
        said = False
        while not self._leaving.is_set():
            ready = streams.synced and streams.fresh
            if ready != said:
                said = ready
                await self._say(ready=ready)
                log.info("Ready" if ready else "Not ready: the API server has not been heard of lately")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), _LOOK)

    async def _stop(self) -> None:
        """Send nobody here any more; let calls end; tell those that do not to go on elsewhere."""
        log.info("Leaving", extra={"drain": self._drain})
        await self._say(ready=False)
        self._calls.hang_up(only_streams=True)
        stopped = asyncio.create_task(self._server.stop(self._drain))
        await asyncio.wait([stopped], timeout=max(0.0, self._drain - _LAST_WORDS))
        self._calls.hang_up(only_streams=False)
        await stopped
        await self._probes.stop(None)

    async def _say(self, *, ready: bool) -> None:
        for service in (READY, SERVICE):
            await self._health.set(service, _SERVING if ready else _NOT_SERVING)


def _bound(address: str, bind: t.Callable[[str], int]) -> int:
    try:
        return bind(address)
    except RuntimeError as error:
        raise PortError(address) from error
