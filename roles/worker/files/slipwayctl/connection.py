"""The way to a worker: directly, or through a port-forward. And the channel on it, which is replaced where it fails."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import random
import re
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio

from .errors import LookUpError, NoWorkerError, SetupError
from .kubectl import Certificates, Forward, Kubectl, Worker, find_kubectl

TLS_DIR = "/etc/slipway/tls"
NAMESPACE = "slipway"

_SCHEME = re.compile(r"(dns:(//[^/]*/)?|ipv[46]:)")

OPTIONS: tuple[tuple[str, t.Any], ...] = (
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    ("grpc.dns_min_time_between_resolutions_ms", 500),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.min_reconnect_backoff_ms", 5000),  # despite its name: how long one attempt to connect may take
    ("grpc.keepalive_time_ms", 20000),
    ("grpc.keepalive_timeout_ms", 10000),
    ("grpc.enable_http_proxy", 0),  # the operator's is for elsewhere
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach a worker, as options and environment say; ``address`` is HOST:PORT, empty: by a port-forward."""

    address: str = ""
    server_name: str = ""
    tls_dir: str = TLS_DIR
    token: str = field(default="", repr=False)
    kubeconfig: str = ""
    context: str = ""
    worker_namespace: str = NAMESPACE


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a channel leads: a target of gRPC, the certificates for it, and the name that its own must have."""

    target: str
    certificates: Certificates
    server_name: str


class Route(t.Protocol):
    """A way to a worker."""

    async def open(self) -> Endpoint:
        """Return where a channel has to lead now. :raises SlipwayctlError: where there is nothing now, or ever."""

    async def close(self) -> None:
        """Give up what was opened."""


class DirectRoute:
    """An address that this machine can connect to; where it is a name, that of all workers."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def open(self) -> Endpoint:
        access = self._access
        name = access.server_name or server_name(access.address, access.worker_namespace)
        return Endpoint(target_of(access.address), certificates_in(Path(access.tls_dir)), name)

    async def close(self) -> None:
        pass


class ForwardedRoute:
    """A port-forward to a ready pod; each time it is opened, to another one if there are several."""

    def __init__(self, kubectl: Kubectl, access: Access) -> None:
        self._kubectl = kubectl
        self._name = access.server_name or _service_name(access.worker_namespace)
        self._forward: Forward | None = None
        self._last: Worker | None = None

    async def open(self) -> Endpoint:
        await self.close()
        try:
            workers, certificates = await asyncio.gather(self._kubectl.workers(), self._kubectl.certificates())
        except LookUpError as error:
            if self._last:
                raise
            raise SetupError(str(error), error.remedy) from error
        self._forward = await self._kubectl.forward(self._chosen(workers))
        self._last = self._forward.worker
        return Endpoint(f"ipv4:127.0.0.1:{self._forward.port}", certificates, self._name)

    def _chosen(self, workers: t.Sequence[Worker]) -> Worker:
        """Return which worker to use: not the last one, which failed, if there is another."""
        if not workers:
            raise NoWorkerError(
                "No worker is ready.", f"See why by: kubectl --namespace={self._kubectl.namespace} get pods"
            )
        return random.choice([worker for worker in workers if worker != self._last] or list(workers))

    async def close(self) -> None:
        if self._forward:
            forward, self._forward = self._forward, None
            await forward.close()


def route_of(access: Access, environ: t.Mapping[str, str]) -> Route:
    """Return the way to the workers. :raises SetupError: if there can be none."""
    if access.address:
        return DirectRoute(access)
    kubectl = find_kubectl(
        access.worker_namespace, kubeconfig=access.kubeconfig, context=access.context, environ=environ
    )
    return ForwardedRoute(kubectl, access)


def target_of(address: str) -> str:
    """Return the target of gRPC for HOST:PORT, which may have a scheme of gRPC's before it."""
    return address if _SCHEME.match(address) else f"dns:///{address}"


def server_name(address: str, namespace: str) -> str:
    """Return the name that the certificate at an address must have: its own, or where it has none the Service's."""
    host = _SCHEME.sub("", address).rpartition(":")[0].strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host or _service_name(namespace)
    return _service_name(namespace)


def _service_name(namespace: str) -> str:
    return f"worker.{namespace}.svc"


def certificates_in(directory: Path) -> Certificates:
    """Return what a mounted Secret holds. :raises SetupError: if a file cannot be read."""
    try:
        ca, certificate, key = ((directory / name).read_bytes() for name in ("ca.crt", "tls.crt", "tls.key"))
    except OSError as error:
        raise SetupError(
            f"There is no certificate: {error.filename}: {error.strerror}.",
            "Name the directory with ca.crt, tls.crt and tls.key by --tls-dir or SLIPWAY_TLS_DIR.",
        ) from error
    return Certificates(ca, certificate, key)


class Link:
    """A channel and how many calls use it: it is closed by the last one, once it is replaced."""

    def __init__(self, endpoint: Endpoint) -> None:
        it = endpoint.certificates
        credentials = grpc.ssl_channel_credentials(it.authorities, it.key, it.certificate)
        options = [*OPTIONS, ("grpc.ssl_target_name_override", endpoint.server_name)]
        self.channel = grpc.aio.secure_channel(endpoint.target, credentials, options)
        self.replaced = False
        self.users = 0

    @property
    def connected(self) -> bool:
        return self.channel.get_state() is grpc.ChannelConnectivity.READY

    async def settle(self) -> None:
        if self.replaced and not self.users:
            await self.channel.close()


class Connection:
    """The channel that all calls go through."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._link: Link | None = None
        self._opening = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def link(self) -> t.AsyncIterator[Link]:
        """Give the channel for one call. :raises SlipwayctlError: if there is no way to a worker."""
        async with self._opening:
            link = self._link = self._link or Link(await self._route.open())
        link.users += 1
        try:
            yield link
        finally:
            link.users -= 1
            await link.settle()

    async def replace(self, link: Link) -> None:
        """Have the next call use a new channel, if this one has lost the worker.

        gRPC's own resolver lets up to two minutes pass until it asks for a name again that had no address.
        """
        if self._link is link and not link.connected:
            self._link, link.replaced = None, True
            await link.settle()

    async def aclose(self) -> None:
        """Close the channel and the way to it."""
        if self._link:
            link, self._link = self._link, None
            await link.channel.close()
        await self._route.close()
