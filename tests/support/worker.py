"""The worker as a process of its own on loopback, and typed clients of it.

with Worker(home, kubeconfig, tls=authority.server(home / "tls"), namespaces=("clusters",)) as worker:
    with Client(worker.address, tls=authority.client(home / "client")) as client:
        client.create(pb.CreateClusterRequest(name="demo"), timeout=30)
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from slipway.v1 import clusters_pb2 as pb

from tests.support.api_server import free_ports
from tests.support.authority import SERVER_NAME
from tests.support.paths import CHECKOUT, COLLECTIONS
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

Metadata = tuple[tuple[str, str | bytes], ...]
Request = TypeVar("Request", bound="Message")
Answer = TypeVar("Answer", bound="Message")

SERVICE = "/slipway.v1.Clusters/"
DETAILS = "grpc-status-details-bin"
ALIVE, READY = "", "ready"
START_TIMEOUT = 30.0
# Connections of one client are its own, and one that broke is made again soon.
OPTIONS: list[tuple[str, Any]] = [
    ("grpc.ssl_target_name_override", SERVER_NAME),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


@dataclass
class Worker:
    """`python -m slipway_worker` as a child process that cannot outlive the thread that started it."""

    home: Path
    kubeconfig: Path
    tls: Path
    namespaces: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)  # by name, less SLIPWAY_
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._port, self._health_port, self._metrics_port = free_ports(3)
        self.log = self.home / "worker.log"

    def __enter__(self) -> Self:
        try:
            self.start()
            self.await_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def address(self) -> str:
        """Where it serves."""
        return f"127.0.0.1:{self._port}"

    @property
    def ports(self) -> dict[str, int]:
        """All its ports, by what they are for."""
        return {"grpc": self._port, "health": self._health_port, "metrics": self._metrics_port}

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self.process, "it was not started"
        return self.process.pid

    def start(self) -> None:
        """Start it; it is not ready yet."""
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "slipway_worker"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self._environment(), cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def await_ready(self, *, within: float = START_TIMEOUT) -> None:
        """Return when it is ready to serve."""
        eventually(self.is_ready, within=within, what="the worker is ready", every=0.02)

    def is_ready(self) -> bool:
        """Whether it says that it is ready. Raises `RuntimeError` if it has ended."""
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"the worker ended: {self.tail()}")
        return self.health(READY) == "SERVING"

    def kill(self) -> None:
        """SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def terminate(self) -> None:
        """SIGTERM; it goes on until it has drained."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)

    def tail(self) -> str:
        """The last of what it has logged."""
        return self.log.read_text(errors="replace")[-3000:]

    def health(self, service: str) -> str:
        """What it says of a service: SERVING, NOT_SERVING, or the code of the error."""
        with grpc.insecure_channel(f"127.0.0.1:{self._health_port}") as channel:
            check: grpc.UnaryUnaryMultiCallable[Any, Any] = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            try:
                answer = check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            except grpc.RpcError as error:
                return code_of(error)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def metrics(self) -> dict[str, float]:
        """Every sample by its name with labels, as `slipway_in_flight{method="CreateCluster"}`."""
        connection = http.client.HTTPConnection("127.0.0.1", self._metrics_port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    def memory(self) -> float:
        """MiB of memory that it has, what it shares with others included."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def threads(self) -> int:
        """How many it has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def _environment(self) -> dict[str, str]:
        settings = {
            "NAMESPACES": ",".join(self.namespaces),
            "LISTEN": self.address,
            "HEALTH_LISTEN": f"127.0.0.1:{self._health_port}",
            "METRICS_PORT": str(self._metrics_port),
            "TLS_DIR": str(self.tls),
            **self.settings,
        }
        ours = {f"SLIPWAY_{name}": value for name, value in settings.items()}
        of_process = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(COLLECTIONS)}
        return {**of_process, "KUBECONFIG": str(self.kubeconfig), **ours}


class Client:
    """The calls of one caller, in turns over all addresses. Each call is made once; nothing is repeated here.

    Without `tls` it speaks in the clear; where that directory has no key it shows no certificate.
    """

    def __init__(self, *addresses: str, tls: Path | None) -> None:
        target = f"ipv4:{','.join(addresses)}"
        if tls is None:
            self.channel = grpc.insecure_channel(target, OPTIONS)
        else:
            pair = [(tls / name).read_bytes() for name in ("tls.key", "tls.crt") if (tls / name).exists()]
            credentials = grpc.ssl_channel_credentials((tls / "ca.crt").read_bytes(), *pair)
            self.channel = grpc.secure_channel(target, credentials, OPTIONS)
        self.create = self._unary(pb.CreateClusterRequest, pb.CreateClusterResponse)
        self.delete = self._unary(pb.DeleteClusterRequest, pb.DeleteClusterResponse)
        self.scale = self._unary(pb.ScaleClusterRequest, pb.ScaleClusterResponse)
        self.get = self._unary(pb.GetClusterRequest, pb.Cluster)
        self.list = self._unary(pb.ListClustersRequest, pb.ListClustersResponse)
        self.watch: grpc.UnaryStreamMultiCallable[pb.WatchClusterRequest, pb.WatchClusterResponse] = (
            self.channel.unary_stream(
                f"{SERVICE}WatchCluster",
                request_serializer=pb.WatchClusterRequest.SerializeToString,
                response_deserializer=pb.WatchClusterResponse.FromString,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def ask(self, request: Message, *, timeout: float, metadata: Metadata = ()) -> Any:
        """Make the call that a request belongs to, and see it through; return its answer, or all of them."""
        answer = self._call(request)(request, timeout=timeout, metadata=metadata)
        return list(answer) if isinstance(request, pb.WatchClusterRequest) else answer

    def begin(self, request: Message, *, timeout: float) -> Any:
        """Begin the call that a request belongs to, if it is not to watch; return its future."""
        return self._call(request).future(request, timeout=timeout)

    def _call(self, request: Message) -> Any:
        verb, _, _ = type(request).__name__.partition("Cluster")
        return getattr(self, verb.lower())

    def _unary(self, request: type[Request], answer: type[Answer]) -> grpc.UnaryUnaryMultiCallable[Request, Answer]:
        return self.channel.unary_unary(
            SERVICE + request.__name__.removesuffix("Request"),
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString,
        )


@dataclass(frozen=True)
class Refusal:
    """The error that a call ended with, and its details."""

    code: str
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()  # of BadRequest
    quotas: tuple[str, ...] = ()  # subjects of QuotaFailure
    retry_after: float | None = None
    cause: pb.Cause | None = None

    @property
    def brief(self) -> tuple[str, str]:
        """Its code and its reason."""
        return self.code, self.reason


def code_of(error: grpc.RpcError) -> str:
    """The name of the code of an error."""
    return str(cast(grpc.Call, error).code().name)


def refusal(error: grpc.RpcError) -> Refusal:
    """Read an error with its details, each kind of which may come once."""
    call = cast(grpc.Call, error)
    trailers = dict(call.trailing_metadata() or ())
    status = status_pb2.Status.FromString(_bytes(trailers.get(DETAILS, b"")))
    info, bad, quota = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.QuotaFailure()
    retry, cause = error_details_pb2.RetryInfo(), pb.Cause()
    found = {
        type(each) for detail in status.details for each in (info, bad, quota, retry, cause) if detail.Unpack(each)
    }
    assert len(found) == len(status.details), f"details of an unknown kind, or twice: {status.details}"
    return Refusal(
        code=code_of(error),
        message=str(call.details()),
        reason=info.reason,
        metadata=dict(info.metadata),
        fields=tuple(violation.field for violation in bad.field_violations),
        quotas=tuple(violation.subject for violation in quota.violations),
        retry_after=retry.retry_delay.ToTimedelta().total_seconds() if type(retry) in found else None,
        cause=cause if type(cause) in found else None,
    )


def refused(call: Callable[[], object]) -> Refusal:
    """Make a call that is to be refused; return how it was. Raises `AssertionError` if it was not."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return refusal(error)
    raise AssertionError(f"it was not refused: {answer}")


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
