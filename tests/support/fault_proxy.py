"""A TLS proxy between a Kubernetes client and its API server that injects faults.

    with FaultProxy(server) as proxy:
        proxy.inject(Status(429, retry_after=1), verb="PATCH", times=2)
        proxy.inject(Cut(after=3), watch=True)
        ...  # a client that uses proxy.url

A fault befalls the next `times` requests that match, or those after the first `spared` ones; everything else passes
untouched and is recorded in `proxy.seen`.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.api_server import ApiServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}

Moment = Literal["asked", "answered", "told"]
"""Of a request: it is not passed on yet; the server's answer is here, but not passed back; it is passed back."""


@dataclass
class Request:
    """A request that came by; `status` is the server's answer, `expired` tells of a 410 in it or in its events."""

    verb: str
    path: str
    watch: bool
    status: int = 0
    expired: bool = False


class Fault(Protocol):
    """What befalls a request instead of being passed on."""

    def befall(self, exchange: Exchange) -> None:
        """Answer, or do not."""


@dataclass(frozen=True)
class Status:
    """The proxy answers in the server's place."""

    code: int
    retry_after: int | None = None

    def befall(self, exchange: Exchange) -> None:
        """Answer with a Status object of this code."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self.code, "message": "injected"}
        exchange.answer(self.code, headers, json.dumps(body).encode())


@dataclass(frozen=True)
class Slow:
    """The answer comes, but `seconds` late."""

    seconds: float

    def befall(self, exchange: Exchange) -> None:
        """Pass on after a while."""
        time.sleep(self.seconds)
        exchange.relay()


@dataclass(frozen=True)
class Silence:
    """No answer comes, not even its first line; the connection stays open."""

    def befall(self, exchange: Exchange) -> None:
        """Hold the line until the client hangs up."""
        exchange.hold()


@dataclass(frozen=True)
class End:
    """A watch ends in good order after so many events, as a server's time-out ends it."""

    after: int = 0

    def befall(self, exchange: Exchange) -> None:
        """Pass on events, then the end."""
        exchange.relay(events=self.after)
        exchange.end()


@dataclass(frozen=True)
class Cut:
    """A watch breaks off in the middle of the line that follows so many events."""

    after: int = 0

    def befall(self, exchange: Exchange) -> None:
        """Pass on events and half a line, then drop the connection."""
        lines = exchange.relay(events=self.after)
        line = next(lines, b"")
        exchange.send(line[: len(line) // 2])
        exchange.hang_up()


@dataclass(frozen=True)
class Stall:
    """A watch falls silent after so many events; the connection stays open."""

    after: int = 0

    def befall(self, exchange: Exchange) -> None:
        """Pass on events, then hold the line until the client hangs up."""
        exchange.relay(events=self.after)
        exchange.hold()


@dataclass(frozen=True)
class Twice:
    """Every event of a watch arrives twice."""

    def befall(self, exchange: Exchange) -> None:
        """Pass on each line two times."""
        for line in exchange.relay(events=0):
            exchange.send(line)
            exchange.send(line)
        exchange.end()


@dataclass(frozen=True)
class Last:
    """The answer says that it is the last one of its connection, as those of some proxies do."""

    def befall(self, exchange: Exchange) -> None:
        """Pass on, and say so."""
        exchange.is_last = True
        exchange.relay()


@dataclass(frozen=True)
class Kill:
    """Whoever asks is killed by `kill`, at a moment of its request."""

    kill: Callable[[], None]
    moment: Moment

    def befall(self, exchange: Exchange) -> None:
        """Pass on and back what comes before that moment, kill, and hang up."""
        if self.moment == "answered":
            exchange.swallow()
        elif self.moment == "told":
            exchange.relay(events=0)
        self.kill()
        exchange.hang_up()


@dataclass
class _Rule:
    """A fault with what it still has to befall."""

    fault: Fault
    verb: str
    path: str
    watch: bool | None
    times: int
    spared: int = 0

    def take(self, request: Request) -> bool:
        """Whether it befalls this request; counts it then."""
        wanted = (
            self.times > 0
            and request.verb.startswith(self.verb)
            and self.path in request.path
            and self.watch in (None, request.watch)
        )
        if wanted and self.spared:
            self.spared -= 1
            return False
        self.times -= wanted
        return wanted


class FaultProxy:
    """Listens on a loopback port with the API server's own certificate."""

    def __init__(self, server: ApiServer) -> None:
        self.upstream = server
        self.trust = server.trust
        self.seen: list[Request] = []
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listen(port=0)

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"https://127.0.0.1:{self._port}"

    def inject(
        self,
        fault: Fault,
        *,
        verb: str = "",
        path: str = "",
        watch: bool | None = None,
        times: int = 1,
        spared: int = 0,
    ) -> None:
        """Let `fault` befall the next `times` requests of this verb whose path with query contains `path`.

        The first `spared` of them pass before that.
        """
        with self._lock:
            self._rules.append(_Rule(fault, verb, path, watch, times, spared))

    def forgive(self) -> None:
        """Let no fault befall anybody any more, and forget what came by."""
        with self._lock:
            self._rules.clear()
            self.seen.clear()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Drop all connections and refuse new ones meanwhile."""
        self._hang_up()
        try:
            yield
        finally:
            self._listen(port=self._port)

    def count(self, *, verb: str = "", path: str = "", watch: bool | None = None) -> int:
        """How many such requests came by."""
        rule = _Rule(Twice(), verb, path, watch, times=1 << 30)
        with self._lock:
            return sum(rule.take(request) for request in self.seen)

    @property
    def unused(self) -> list[Fault]:
        """The faults that have not befallen as many requests as they should."""
        with self._lock:
            return [rule.fault for rule in self._rules if rule.times]

    def admit(self, request: Request) -> Fault | None:
        """Record a request; return the fault that befalls it."""
        with self._lock:
            self.seen.append(request)
            return next((rule.fault for rule in self._rules if rule.take(request)), None)

    @contextlib.contextmanager
    def holding(self, connection: socket.socket) -> Iterator[None]:
        """Know `connection` as one to drop when the proxy closes."""
        with self._lock:
            self._sockets.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.discard(connection)

    def _listen(self, *, port: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.upstream.certificate, self.upstream.private_key)
        self._listener = _Listener(("127.0.0.1", port), self)
        self._listener.socket = context.wrap_socket(
            self._listener.socket, server_side=True, do_handshake_on_connect=False
        )
        self._port = int(self._listener.server_address[1])
        threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()

    def _hang_up(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        with self._lock:
            for connection in self._sockets:
                _shut(connection)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(address, Exchange)

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a connection that broke is what this proxy is for."""


class Exchange(BaseHTTPRequestHandler):
    """One client connection; faults use the methods without underscore."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener
    request_seen: Request
    is_last = False
    _body: bytes

    def handle(self) -> None:
        """Serve requests until one side hangs up."""
        with self.server.proxy.holding(self.connection):
            super().handle()

    def relay(self, *, events: int | None = None) -> Iterator[bytes]:
        """Pass the request on and its answer back; of a watch only so many events, returning the lines that follow."""
        answer = self._ask_upstream()
        if not self.request_seen.watch or answer.status != http.client.OK:
            self.request_seen.expired = answer.status == http.client.GONE
            self.answer(answer.status, dict(answer.getheaders()), answer.read())
            return iter(())
        self._begin(answer.status, dict(answer.getheaders()), {"Transfer-Encoding": "chunked"})
        lines = self._lines(answer)
        for line in itertools.islice(lines, events):
            self.send(line)
        if events is None:
            self.end()
        return lines

    def swallow(self) -> None:
        """Pass the request on, and keep its answer."""
        answer = self._ask_upstream()
        self.request_seen.status = answer.status
        if not self.request_seen.watch:
            answer.read()

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send a whole answer."""
        self._begin(status, headers, {"Content-Length": str(len(body))})
        self.wfile.write(body)

    def send(self, line: bytes) -> None:
        """Send a piece of a watch."""
        if line:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))

    def end(self) -> None:
        """End a watch in good order."""
        self.close_connection = True
        self.wfile.write(b"0\r\n\r\n")

    def hang_up(self) -> None:
        """Drop the connection."""
        self.close_connection = True
        _shut(self.connection)

    def hold(self) -> None:
        """Say nothing more; return when the client has hung up."""
        self.close_connection = True
        while self.connection.recv(4096):
            pass

    def _serve(self) -> None:
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        watch = parse_qs(urlsplit(self.path).query).get("watch", [""])[0] in ("1", "true", "True")
        self.request_seen = Request(self.command, self.path, watch)
        fault = self.server.proxy.admit(self.request_seen)
        if fault:
            fault.befall(self)
        else:
            self.relay()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  (the base class wants these names)

    def _ask_upstream(self) -> http.client.HTTPResponse:
        proxy = self.server.proxy
        connection = http.client.HTTPSConnection("127.0.0.1", proxy.upstream.port, context=proxy.trust)
        connection.request(self.command, self.path, self._body or None, dict(self.headers.items()))
        return connection.getresponse()

    def _lines(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        for line in answer:
            self.request_seen.expired |= b'"code":410' in line
            yield line

    def _begin(self, status: int, headers: dict[str, str], framing: dict[str, str]) -> None:
        self.request_seen.status = status
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        for name, value in {**framing, **({"Connection": "close"} if self.is_last else {})}.items():
            self.send_header(name, value)
        self.end_headers()


def _shut(connection: socket.socket) -> None:
    """Hang up under TLS, which would otherwise say good-bye and race with the thread that reads."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
