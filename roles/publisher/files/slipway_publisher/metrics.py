"""What Prometheus and the kubelet are told."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
import typing as t
from socketserver import ThreadingMixIn
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, make_wsgi_app

from .settings import PortError

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import CounterMetricFamily

log = logging.getLogger(__name__)

_PREFIX = "slipway_publisher_"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_FRESH = (0.1, 0.25, 0.4, 0.5, 0.6, 0.8, 1, 1.5, 2, 2.5, 5, 10, 30)

Check = t.Callable[[], bool]


class Metrics:
    """The publisher's metrics. Thread-safe."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        registry = self.registry
        self.leader = Gauge(f"{_PREFIX}leader", "Whether this publisher publishes.", registry=registry)
        self.generation = Gauge(f"{_PREFIX}generation", "The newest generation of the list.", registry=registry)
        self.endpoints = Gauge(f"{_PREFIX}endpoints", "How many endpoints it has.", registry=registry)
        self.template_ok = Gauge(f"{_PREFIX}template_ok", "Whether a page could be made.", registry=registry)
        self.service_found = Gauge(
            f"{_PREFIX}service_found", "Whether there is such a Service, when it was last asked for.", registry=registry
        )
        self.relist_differences = Counter(
            f"{_PREFIX}relist_differences_total", "Lists that differed from the stream.", registry=registry
        )
        self.freshness = Histogram(
            f"{_PREFIX}freshness_seconds",
            "From a change seen to the new page in the first store.",
            buckets=_FRESH,
            registry=registry,
        )
        self._publishes = Counter(
            f"{_PREFIX}publishes_total", "Attempts to write to a store.", ["target", "result"], registry=registry
        )
        self._seconds = Histogram(
            f"{_PREFIX}publish_seconds",
            "How long it took to write to a store, where that went well.",
            ["target"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._last = Gauge(
            f"{_PREFIX}last_success_timestamp_seconds",
            "When a store was last seen to be up to date, in Unix seconds.",
            ["target"],
            registry=registry,
        )
        self._conflicts = Counter(
            f"{_PREFIX}conflicts_total", "Writes that somebody else's came before.", ["target"], registry=registry
        )
        self._atomic = Gauge(
            f"{_PREFIX}atomic", "Whether a store's conditional writes are atomic.", ["target"], registry=registry
        )

    def of_target(self, target: str) -> None:
        """Have the metrics of a target that nothing was written to yet."""
        self._publishes.labels(target, "success")
        self._conflicts.labels(target)
        self._last.labels(target)

    def published(self, target: str, result: str, seconds: float) -> None:
        """Note how an attempt ended."""
        self._publishes.labels(target, result).inc()
        if result == "success":
            self._seconds.labels(target).observe(seconds)

    def up_to_date(self, target: str) -> None:
        """Note that a store has what it should."""
        self._last.labels(target).set(time.time())

    def conflict(self, target: str) -> None:
        """Note that a write came too late."""
        self._conflicts.labels(target).inc()

    def atomic(self, target: str, atomic: bool) -> None:
        """Note what the probe has found."""
        self._atomic.labels(target).set(atomic)

    def watch(self, restarts: t.Callable[[], int]) -> None:
        """Have the number of broken streams read at each scrape."""
        self.registry.register(_AtScrape(restarts))

    @contextlib.contextmanager
    def served(self, port: int, *, alive: Check, ready: Check) -> t.Iterator[int]:
        """Serve metrics and health over HTTP meanwhile, on all addresses; yields the port. :raises PortError:"""
        server = _server(port)
        server.set_app(_application(make_wsgi_app(self.registry), {"/healthz": alive, "/readyz": ready}))
        thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()


class _AtScrape:
    """Reads at each scrape what would have to be kept up to date otherwise."""

    def __init__(self, restarts: t.Callable[[], int]) -> None:
        self._restarts = restarts

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Return no metrics: so that registering this asks for none."""
        return []

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the metrics as they are now."""
        from prometheus_client.core import CounterMetricFamily

        yield CounterMetricFamily(
            f"{_PREFIX}stream_restarts", "How often the stream began anew.", value=self._restarts()
        )


def _application(metrics: t.Any, checks: t.Mapping[str, Check]) -> t.Any:
    def answer(environ: dict[str, t.Any], start: t.Any) -> t.Any:
        path = environ["PATH_INFO"]
        check = checks.get(path)
        if check is None and path == "/metrics":
            return metrics(environ, start)
        good = check is not None and check()
        status = "404 Not Found" if check is None else "200 OK" if good else "503 Service Unavailable"
        start(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [b"ok\n" if good else b"no\n"]

    return answer


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds that a connection may be silent for: it has a thread

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002  # the name of the base class
        log.debug(format, *args)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # As that of the base class, which asks the DNS for this machine's name besides.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:  # noqa: ARG002  # those of the base class
        log.debug("A connection from %s broke", client_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


def _server(port: int) -> _Server:
    """Listen on every address, of both families where there are both."""
    with contextlib.suppress(OSError):
        return _Server6(("::", port), _Handler)
    try:
        return _Server(("0.0.0.0", port), _Handler)
    except OSError as error:
        raise PortError(port) from error
