"""A worker that keeps its clusters in memory and fails as it is told to, for tests of the driver."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from slipway.v1 import clusters_pb2 as pb
from slipway.v1 import clusters_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from google.protobuf.message import Message

Context = Any  # grpc.ServicerContext, with abort_with_status

DETAILS = "grpc-status-details-bin"


def status(code: grpc.StatusCode, message: str, *details: Message) -> bytes:
    """A google.rpc.Status with its details, as it is sent."""
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    number = code.value[0]
    return status_pb2.Status(code=number, message=message, details=packed).SerializeToString()


def refuse(context: Context, code: grpc.StatusCode, message: str, *details: Message) -> NoReturn:
    """Answer a call by an error with details."""
    context.set_trailing_metadata(((DETAILS, status(code, message, *details)),))
    context.abort(code, message)
    raise AssertionError


def before(code: grpc.StatusCode, *details: Message) -> Any:
    """Return a fault: the call fails and nothing has happened."""

    def fault(_: Callable[[], Any], context: Context) -> Any:
        refuse(context, code, "it failed", *details) if details else context.abort(code, "it failed")

    return fault


def after(code: grpc.StatusCode) -> Any:
    """Return a fault: what was asked for is done, and the answer lost."""

    def fault(answer: Callable[[], Any], context: Context) -> Any:
        answer()
        context.abort(code, "Socket closed")

    return fault


def retry_in(seconds: float) -> Message:
    """Return the detail that says when to come again."""
    delay = Duration()
    delay.FromMilliseconds(int(seconds * 1000))
    return error_details_pb2.RetryInfo(retry_delay=delay)


class Double(clusters_pb2_grpc.ClustersServicer):
    """The service. Its clusters run at once, and are gone at once."""

    def __init__(self) -> None:
        self.clusters: dict[str, pb.Cluster] = {}
        self.request_ids: dict[str, str] = {}
        self.requests: list[Any] = []
        self.metadata: dict[str, Any] = {}
        self.faults: dict[str, list[Any]] = defaultdict(list)
        self.lie: Callable[[str, Any], None] = _honest
        self.page = 2
        self._changed = threading.Condition()

    def asked(self, kind: type[Message]) -> list[Any]:
        """The requests of a kind, in order."""
        return [request for request in self.requests if isinstance(request, kind)]

    def _see_to(self, method: str, request: Any, context: Context, answer: Callable[[], Any]) -> Any:
        copy = type(request)()
        copy.CopyFrom(request)
        self.requests.append(copy)
        self.metadata = dict(context.invocation_metadata())
        if self.faults[method]:
            return self.faults[method].pop(0)(answer, context)
        answered = answer()
        self.lie(method, answered)
        return answered

    def CreateCluster(self, request: Any, context: Context) -> Any:  # noqa: N802
        def answer() -> Any:
            there = self.clusters.get(request.name)
            if there and self.request_ids[request.name] != request.request_id:
                refuse(context, grpc.StatusCode.ALREADY_EXISTS, "there is another one")
            if not there:
                there = pb.Cluster(
                    name=request.name,
                    namespace=request.namespace or "clusters",
                    uid=str(uuid.uuid4()),
                    spec=request.spec,
                    state=pb.RUNNING,
                    available_replicas=request.spec.replicas,
                    owner="driver",
                )
                there.create_time.GetCurrentTime()
                self.request_ids[request.name] = request.request_id
                self._put(request.name, there)
            return pb.CreateClusterResponse(
                cluster=there, created=True, phases=pb.Phases(available=Duration(seconds=1))
            )

        return self._see_to("create", request, context, answer)

    def DeleteCluster(self, request: Any, context: Context) -> Any:  # noqa: N802
        def answer() -> Any:
            there = self.clusters.get(request.name)
            if not there or (request.uid and there.uid != request.uid):
                if not request.allow_missing:
                    self._missing(request, context)
                return pb.DeleteClusterResponse()
            gone = pb.Cluster()
            gone.CopyFrom(there)
            gone.state, gone.available_replicas = pb.DELETED, 0
            self._put(request.name, None)
            phases = pb.Phases(object_gone=Duration(nanos=500_000_000), pods_gone=Duration(seconds=2))
            return pb.DeleteClusterResponse(cluster=gone, phases=phases)

        return self._see_to("delete", request, context, answer)

    def ScaleCluster(self, request: Any, context: Context) -> Any:  # noqa: N802
        def answer() -> Any:
            there = self.clusters.get(request.name) or self._missing(request, context)
            scaled = pb.Cluster()
            scaled.CopyFrom(there)
            scaled.spec.replicas = scaled.available_replicas = request.replicas
            self._put(request.name, scaled)
            return pb.ScaleClusterResponse(cluster=scaled)

        return self._see_to("scale", request, context, answer)

    def GetCluster(self, request: Any, context: Context) -> Any:  # noqa: N802
        def answer() -> Any:
            found = pb.Cluster()
            found.CopyFrom(self.clusters.get(request.name) or self._missing(request, context))
            return found

        return self._see_to("get", request, context, answer)

    def ListClusters(self, request: Any, context: Context) -> Any:  # noqa: N802
        def answer() -> Any:
            names = sorted(name for name in self.clusters if name > request.page_token)
            page, more = names[: self.page], names[self.page :]
            found = pb.ListClustersResponse(next_page_token=page[-1] if more else "")
            found.clusters.extend(self.clusters[name] for name in page)
            return found

        return self._see_to("list", request, context, answer)

    def WatchCluster(self, request: Any, context: Context) -> Any:  # noqa: N802
        self._see_to("watch", request, context, lambda: None)
        last = None
        while context.is_active():
            with self._changed:
                there = self.clusters.get(request.name)
                if there is None and last is None and not request.await_creation:
                    self._missing(request, context)
                if there is last:
                    self._changed.wait(0.05)
                    continue
            seen = pb.WatchClusterResponse(cluster=there or last)
            if there is None:
                seen.cluster.state, seen.cluster.available_replicas = pb.DELETED, 0
            yield seen
            last = there
            if last is None:
                return

    def _put(self, name: str, cluster: pb.Cluster | None) -> None:
        with self._changed:
            if cluster is None:
                self.clusters.pop(name, None)
            else:
                self.clusters[name] = cluster
            self._changed.notify_all()

    def _missing(self, request: Any, context: Context) -> NoReturn:
        refuse(
            context,
            grpc.StatusCode.NOT_FOUND,
            f"there is no cluster {request.name}",
            error_details_pb2.ErrorInfo(reason="NOT_FOUND", domain="slipway.dev"),
        )


def _honest(_: str, __: Any) -> None:
    """Leave an answer as it is."""


@contextmanager
def served(double: Double, tls: Path, *, port: int = 0) -> Iterator[int]:
    """Serve it on loopback meanwhile; yields the port."""
    server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
    clusters_pb2_grpc.add_ClustersServicer_to_server(double, server)
    ca, certificate, key = ((tls / name).read_bytes() for name in ("ca.crt", "tls.crt", "tls.key"))
    credentials = grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)
    bound = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    server.start()
    try:
        yield bound
    finally:
        server.stop(None).wait()
