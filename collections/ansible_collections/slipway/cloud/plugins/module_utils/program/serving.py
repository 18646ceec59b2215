# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port with what Prometheus and the kubelet ask for, or any other WSGI application."""

from __future__ import annotations

import contextlib
import logging
import socket
import typing as t
from socketserver import ThreadingMixIn
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

if t.TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

Check = t.Callable[[], bool]


class PortError(Exception):
    """An address of the settings that cannot be listened on."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"Cannot listen on {address}: something else does, it is no address of this host, or it may not be taken."
        )


def application(metrics: WSGIApplication, checks: t.Mapping[str, Check] | None = None) -> WSGIApplication:
    """Return an application that has ``metrics`` at /metrics, and a check at each path: 200 where it holds, else 503.

    :param metrics: as prometheus_client.make_wsgi_app() makes it.
    """

    def answer(environ: WSGIEnvironment, start: StartResponse) -> t.Iterable[bytes]:
        path = environ["PATH_INFO"]
        check = (checks or {}).get(path)
        if check is None and path == "/metrics":
            return metrics(environ, start)
        good = check is not None and check()
        status = "404 Not Found" if check is None else "200 OK" if good else "503 Service Unavailable"
        start(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [b"ok\n" if good else b"no\n"]

    return answer


@contextlib.contextmanager
def served(port: int, app: WSGIApplication, *, host: str = "") -> t.Iterator[int]:
    """Serve an application over HTTP meanwhile, each request by a thread; yields the port.

    :param port: 0 for one that is free. :param host: the only address to listen on, if not all. :raises PortError:
    """
    server = _server(port, host)
    server.set_app(app)
    thread = Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


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


def _server(port: int, host: str) -> _Server:
    """Listen on one address, or on every one, of both families where there are both."""
    with contextlib.suppress(OSError):
        if not host or ":" in host:
            return _Server6((host or "::", port), _Handler)
    try:
        return _Server((host or "0.0.0.0", port), _Handler)
    except OSError as error:
        raise PortError(f"{host or '0.0.0.0'}:{port}") from error
