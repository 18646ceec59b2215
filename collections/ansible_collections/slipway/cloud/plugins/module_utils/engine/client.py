# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and streams to one Kubernetes API server.

The official C(kubernetes) package reads the kubeconfig, runs exec plugins, refreshes tokens and makes the connection
pool; it is imported here alone. Requests and answers are plain JSON: none of its generated models is used.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import math
import os
import random
import sys
import threading
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from .errors import (
    ApiError,
    ConfigurationError,
    EngineError,
    StreamError,
    UnauthorizedError,
    UnreachableError,
    api_error,
)
from .wire import Wire

if t.TYPE_CHECKING:
    from .resources import Resource

try:
    import urllib3
    from kubernetes.client.configuration import Configuration
    from kubernetes.client.rest import RESTClientObject
    from kubernetes.config import ConfigException
    from kubernetes.config.incluster_config import load_incluster_config
    from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger
    from urllib3 import exceptions as http_errors
except ImportError as _error:
    IMPORT_ERROR: ImportError | None = _error
else:
    IMPORT_ERROR = None

Json = dict[str, t.Any]
Query = t.Mapping[str, str]

APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

# The API server takes this name for the field manager of a write that names none, so it is not that of declarations.
_AGENT = "slipway-client"

_IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_RETRY_DELAYS = (0.2, 0.5, 1.0, 2.0, 3.0, 5.0)
_RETRY_STATUS = frozenset({429, 500, 502, 503, 504})
_LEAST_TIMEOUT = 1.0  # seconds that a request gets, however little time is left
_CHUNK = 1 << 16
_TOKEN_AGE = 1.0  # seconds for which a token that was read is used


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How to reach an API server; what is None comes from the environment or the kubeconfig.

    Times in seconds. ``pool`` is the number of idle connections kept for the next request.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()
    connect_timeout: float = 5.0
    request_timeout: float = 30.0
    pool: int = 16


@dataclass(slots=True)
class _Login:
    """A configuration of the official package and where it came from."""

    configuration: Configuration
    namespace: str
    origin: str
    _token: str = ""
    _read_at: float = -math.inf

    def token(self) -> str:
        """Return who sends a request, as its header Authorization says it; empty where a certificate tells.

        A file or an exec plugin may renew it at any time, but to look for each request would take a tenth of its time.
        """
        now = time.monotonic()
        if now - self._read_at >= _TOKEN_AGE:
            setting = self.configuration.auth_settings().get("BearerToken")
            self._token, self._read_at = (setting and setting["value"]) or "", now
        return self._token


@dataclass(frozen=True, slots=True)
class _Request:
    """One request; the answer of a ``stream`` is to be read by the caller."""

    method: str
    path: str
    action: str
    query: Query
    headers: t.Mapping[str, str] = field(default_factory=dict)
    data: bytes | None = None
    stream: bool = False
    read_timeout: float = field(kw_only=True)


def kubeconfig_path(option: str | None, environ: t.Mapping[str, str]) -> str | None:
    """Return the option, else K8S_AUTH_KUBECONFIG, KUBECONFIG, or ~/.kube/config where it exists."""
    named = option or environ.get("K8S_AUTH_KUBECONFIG") or environ.get("KUBECONFIG")
    if named:
        return named
    default = Path("~/.kube/config").expanduser()
    return str(default) if default.exists() else None


class _ErrorLog(logging.Handler):
    """Collects what the official package logs instead of raising, as it does when an exec plugin fails."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def __enter__(self) -> _ErrorLog:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        logging.getLogger().removeHandler(self)


def _load_kubeconfig(path: str, connection: Connection) -> _Login:
    try:
        merged = KubeConfigMerger(path).config
        if merged is None:
            raise ConfigurationError(f"The kubeconfig {path} does not exist; name another by the option kubeconfig.")
        contexts = {entry["name"]: entry["context"] for entry in merged.value["contexts"]}
        name = connection.context or merged.value.get("current-context")
        if name not in contexts:
            known = ", ".join(sorted(contexts)) or "none"
            asked = f"has no context {name!r}" if name else "has no current context"
            raise ConfigurationError(f"The kubeconfig {path} {asked}; known contexts: {known}.")
        configuration = Configuration()
        with _ErrorLog() as log:
            KubeConfigLoader(merged, active_context=name, config_base_path=None).load_and_set(configuration)
    except ConfigurationError:
        raise
    # A kubeconfig is a free-form document, and its loader raises whatever a wrong shape leads to.
    except Exception as error:
        raise ConfigurationError(f"The kubeconfig {path} cannot be used: {error}") from error
    if log.messages:
        raise ConfigurationError(
            f"Cannot log in by context {name} of {path}: {'; '.join(log.messages)}. The program that its user names "
            "under exec must be on the PATH, and be logged in."
        )
    namespace = connection.namespace or contexts[name].safe_get("namespace") or "default"
    return _Login(configuration, namespace, f"context {name} of {path}")


def _load_in_cluster(connection: Connection) -> _Login:
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)
    except ConfigException as error:
        raise ConfigurationError(
            "No kubeconfig found: give the option kubeconfig, set K8S_AUTH_KUBECONFIG or KUBECONFIG, or put one at "
            "~/.kube/config."
        ) from error
    namespace = connection.namespace or _IN_CLUSTER_NAMESPACE.read_text(encoding="utf-8").strip()
    return _Login(configuration, namespace, "the service account of this pod")


def _log_in(connection: Connection) -> _Login:
    if IMPORT_ERROR:
        raise ConfigurationError(f"{sys.executable} cannot import the package kubernetes: {IMPORT_ERROR}.")
    path = kubeconfig_path(connection.kubeconfig, os.environ)
    login = _load_kubeconfig(path, connection) if path else _load_in_cluster(connection)
    login.configuration.connection_pool_maxsize = connection.pool
    return login


def _unreachable(error: Exception, server: str) -> UnreachableError:
    """Say what kept a request from being answered. The first row that fits counts: subclasses come first."""
    table: tuple[tuple[type[Exception], str, bool], ...] = (
        (http_errors.SSLError, "TLS failed: is certificate-authority-data that of this server?", False),
        (http_errors.NameResolutionError, "its name cannot be resolved: check the address and the resolver", True),
        (http_errors.NewConnectionError, "no connection: does the API server run at this address?", True),
        (http_errors.ConnectTimeoutError, "no connection in time: check address, firewall and VPN", True),
        (http_errors.ReadTimeoutError, "it did not answer in time: it is overloaded or hangs", True),
        (http_errors.ProxyError, "the proxy failed: check proxy-url and the variables HTTPS_PROXY and NO_PROXY", True),
        (Exception, "the connection broke", True),
    )
    reason, retryable = next(row[1:] for row in table if isinstance(error, row[0]))
    return UnreachableError(f"The API server {server} cannot be reached: {reason} ({error}).", retryable=retryable)


def _retry_after(headers: t.Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _status_body(data: bytes) -> Json:
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"message": data[:500].decode(errors="replace")}


def _json(response: urllib3.BaseHTTPResponse, action: str) -> Json:
    try:
        return t.cast("Json", json.loads(response.data))
    except ValueError as error:
        raise EngineError(
            f"Cannot {action}: the answer is no JSON. Is a proxy or another server in the way?"
        ) from error


class Answer(t.NamedTuple):
    """What somebody behind the API server's proxy answered."""

    status: int
    data: bytes


class Stream:
    """The answer to a watch: bytes as they arrive."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    def __iter__(self) -> t.Iterator[bytes]:
        """Yield what the server sent until it ends the answer; StreamError if it was cut or stalled."""
        try:
            if self._response.chunked:  # as an API server sends it, a chunk for each event
                yield from self._response.read_chunked(_CHUNK)
            else:
                yield from iter(functools.partial(self._response.read1, _CHUNK), b"")
        except (http_errors.HTTPError, OSError, ValueError) as error:
            raise StreamError(f"the watch broke off: {error}") from error

    def close(self) -> None:
        """Give the socket back."""
        self._response.close()


@dataclass(frozen=True, slots=True)
class _Connections:
    """Connections to the API server of a login; ``base`` comes before the path of every request."""

    pool: urllib3.HTTPConnectionPool
    base: str


def _connections(login: _Login, wire: Wire | None) -> _Connections:
    """Return connections as the official package would make them.

    Its pool manager would look for the server's pool at each request, which takes a tenth of its time.
    """
    manager, server = RESTClientObject(login.configuration).pool_manager, login.configuration.host
    if wire:
        manager.pool_classes_by_scheme = wire.pool_classes(manager.pool_classes_by_scheme)
    # A proxy passes on https by a tunnel; of all else it has to be told where it goes.
    whole = manager.proxy and not server.startswith("https:")
    return _Connections(manager.connection_from_url(server), server if whole else urlsplit(server).path)


class _Pool:
    """Connections made with the present login; those of an earlier one are closed."""

    def __init__(self, wire: Wire | None = None) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._login: _Login | None = None
        self._connections: _Connections | None = None

    def of(self, login: _Login) -> _Connections:
        """Return the connections of a login."""
        with self._lock:
            if self._connections is None or self._login is not login:
                self._clear()
                self._login, self._connections = login, _connections(login, self._wire)
            return self._connections

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        if self._connections:
            self._connections.pool.close()
        self._connections = None


class Channel:
    """Requests of one thread, each sent once, over connections of its own that another thread can cut."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._wire = Wire()
        self._pool = _Pool(self._wire)

    def get(self, path: str, query: Query, *, action: str, read_timeout: float) -> Json:
        """Return the JSON at ``path``; no answer for ``read_timeout`` seconds counts as none."""
        return _json(self._send(path, query, action, read_timeout), action)

    def watch(self, path: str, query: Query, *, action: str, read_timeout: float) -> Stream:
        """Open a watch. It counts as stalled when nothing arrives for ``read_timeout`` seconds."""
        return Stream(self._send(path, query, action, read_timeout, stream=True))

    def cut(self) -> None:
        """End what is under way, for good; from any thread."""
        self._wire.cut()

    def close(self) -> None:
        """Close the connections; for the thread that uses them."""
        self._pool.close()

    def _send(
        self, path: str, query: Query, action: str, read_timeout: float, *, stream: bool = False
    ) -> urllib3.BaseHTTPResponse:
        request = _Request("GET", path, action, query, read_timeout=read_timeout, stream=stream)
        return self._client.send(request, self._pool)


class Client:
    """A thread-safe client of one API server. Use it as a context manager, or close() it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._answered = False
        self._pool = _Pool()
        self._of_thread = threading.local()
        self.discovered: dict[tuple[str, str], Resource] = {}  # by api_version and kind: see discovery.py
        self._use(_log_in(connection))

    def _use(self, login: _Login) -> None:
        self._login = login
        self.server: str = login.configuration.host
        self.namespace = login.namespace
        self.origin = login.origin

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all idle connections."""
        self._pool.close()

    @contextlib.contextmanager
    def until(self, deadline: float) -> t.Iterator[None]:
        """Bound what this thread requests meanwhile: after ``deadline``, a time.monotonic(), nothing is repeated."""
        self._of_thread.deadline = deadline
        try:
            yield
        finally:
            self._of_thread.deadline = math.inf

    def _left(self) -> float:
        """Seconds that this thread still has."""
        return float(getattr(self._of_thread, "deadline", math.inf)) - time.monotonic()

    def channel(self) -> Channel:
        """Return connections for one thread alone, which has to close them."""
        return Channel(self)

    def get(self, path: str, query: Query | None = None, *, action: str) -> Json:
        """Return the JSON at ``path``."""
        return self.request("GET", path, query, action=action)

    def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        action: str,
        body: Json | list[Json] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """Send one request and return the JSON of its answer.

        Only idempotent requests may be sent: one that got no answer, 429 or 5xx is repeated, after Retry-After where
        the server gives it. The very first request is not repeated when nobody answers at all, and none for which a
        webhook does not answer: that may take longer than a moment.

        :param action: what is attempted on which object, for messages: ``apply Deployment demo in namespace x``.
        :raises ApiError: for an answer of 400 or above. :raises UnreachableError: if there is none.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type} if data else {}
        for delay in (*_RETRY_DELAYS, None):
            timeout = min(self._connection.request_timeout, max(_LEAST_TIMEOUT, self._left()))
            request = _Request(method, path, action, query or {}, headers, data, read_timeout=timeout)
            try:
                return _json(self.send(request, self._pool), action)
            except (ApiError, UnreachableError) as error:
                pause = self._pause(error, delay)
                if pause is None or pause >= self._left():
                    raise
                time.sleep(pause)
        raise AssertionError("the last delay is None")

    def _pause(self, error: ApiError | UnreachableError, delay: float | None) -> float | None:
        """Return the seconds to wait before the request is repeated, None if it is not to be."""
        if delay is None:
            return None
        if isinstance(error, UnreachableError):
            return delay * random.uniform(0.5, 1.0) if error.retryable and self._answered else None
        if error.status not in _RETRY_STATUS or error.code == "webhook_unavailable":
            return None
        return error.retry_after or delay * random.uniform(0.5, 1.0)

    def relay(
        self, method: str, path: str, *, action: str, headers: t.Mapping[str, str], data: bytes | None = None
    ) -> Answer:
        """Send one request to somebody behind the API server's proxy, once, and return the answer, whatever it is.

        :raises UnreachableError: if there is none.
        """
        timeout = self._connection.request_timeout
        request = _Request(method, path, action, {}, headers, data, read_timeout=timeout)
        try:
            response = self._exchange(request, self._pool.of(self._login), self._login)
        except (http_errors.HTTPError, OSError) as error:
            raise _unreachable(error, self.server) from error
        return Answer(response.status, response.data)

    def send(self, request: _Request, pool: _Pool) -> urllib3.BaseHTTPResponse:
        """Send a request once, or twice where new credentials help. Who is no Channel uses request()."""
        login, trouble = self._login, ""
        try:
            response = self._exchange(request, pool.of(login), login)
            if response.status == 401:
                trouble = self._log_in_again(login)
                if not trouble:
                    response.close()
                    response = self._exchange(request, pool.of(self._login), self._login)
            self._answered = True
            if response.status < 300:
                return response
            body = _status_body(response.data)
        except (http_errors.HTTPError, OSError) as error:
            raise _unreachable(error, self.server) from error
        after = _retry_after(response.headers)
        failure = api_error(request.action, status=response.status, body=body, retry_after=after)
        if isinstance(failure, UnauthorizedError):
            failure.args = (" ".join(filter(None, (str(failure), f"They came from {self.origin}.", trouble))),)
        raise failure

    def _exchange(self, request: _Request, to: _Connections, login: _Login) -> urllib3.BaseHTTPResponse:
        return to.pool.request(
            request.method,
            f"{to.base}{request.path}" + (f"?{urlencode(request.query)}" if request.query else ""),
            body=request.data,
            headers=self._headers(request.headers, login),
            timeout=urllib3.Timeout(connect=self._connection.connect_timeout, read=request.read_timeout),
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=not request.stream,
        )

    def _headers(self, own: t.Mapping[str, str], login: _Login) -> t.Mapping[str, str]:
        headers = {"Accept": "application/json", "User-Agent": _AGENT, **own}
        with self._lock:  # reading the token may run an exec plugin
            token = login.token()
        if token:
            headers["Authorization"] = token
        if self._connection.impersonate_user:
            headers["Impersonate-User"] = self._connection.impersonate_user
        if not self._connection.impersonate_groups:
            return headers
        repeated = urllib3.HTTPHeaderDict(headers)
        for group in self._connection.impersonate_groups:
            repeated.add("Impersonate-Group", group)
        return repeated

    def _log_in_again(self, refused: _Login) -> str:
        """Read the credentials anew, once for all threads whose requests were refused with the same ones.

        Returns what is wrong with them, empty if they can be tried.
        """
        with self._lock:
            if self._login is refused:
                try:
                    self._use(_log_in(self._connection))
                except EngineError as error:
                    return str(error)
        return ""


def connect(connection: Connection | None = None) -> Client:
    """Return a client; nothing is sent yet.

    :raises ConfigurationError: if no usable kubeconfig, context or credentials are found.
    """
    return Client(connection or Connection())
