"""What the counter is told, by environment variables. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.slipway.cloud.plugins.module_utils.program import settings
from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import (
    SettingsError,
    Variable,
    port,
    seconds,
    whole,
)

_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]{0,251}[A-Za-z0-9])?")
_WORDS = {"yes": True, "true": True, "no": False, "false": False}


class Address(t.NamedTuple):
    """Where a server is."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The variables of the table below, read. Times in seconds, but for ``wait_ms``.

    Of ``nodes_file``, ``sentinels`` and ``redis`` exactly one says where Redis is.
    """

    nodes_file: Path | None
    sentinels: tuple[Address, ...]
    master_name: str
    redis: Address | None
    credentials: Path | None
    sentinel_auth: bool
    key: str
    key_seconds: int
    wait_replicas: int
    wait_ms: int
    patience: float
    timeout: float
    connect_timeout: float
    ask_every: float
    connections: int
    port: int
    metrics_port: int
    linger: float


def from_environ(environ: t.Mapping[str, str]) -> Settings:
    """Return the settings. :raises SettingsError: with everything that is wrong."""
    values, problems = settings.read(environ, VARIABLES)
    given = {name for name in PLACES if environ.get(name, "").strip()}
    problems += _of_places(given)
    if "COUNTER_SENTINELS" in given and not values.get("master_name"):
        problems.append("COUNTER_MASTER_NAME is not set: it is the name by which the Sentinels know the master")
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def _of_places(given: set[str]) -> list[str]:
    if len(given) == 1:
        return []
    found = f"{' and '.join(sorted(given))} are" if given else f"none of {', '.join(PLACES)} is"
    return [f"{found} set: give one of them, which says where Redis is"]


def address(text: str) -> Address:
    """Return HOST:PORT or [HOST]:PORT, read. :raises ValueError: if it is neither."""
    host, _, number = text.strip().rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    good = _HOST.fullmatch(host) or (host == f"[{bare}]" and re.fullmatch(r"[0-9A-Fa-f:.]+", bare))
    if not good or not number.isascii() or not number.isdigit() or not 0 < int(number) < 65536:
        raise ValueError("give HOST:PORT")
    return Address(bare, int(number))


def _addresses(text: str) -> tuple[Address, ...]:
    found = tuple(address(each) for each in text.split(",") if each.strip())
    if len(set(found)) != len(found):
        raise ValueError("give each of them once")
    return found


def _maybe(read: t.Callable[[str], t.Any]) -> t.Callable[[str], t.Any]:
    return lambda text: read(text) if text else None


def _yes(text: str) -> bool:
    if text.lower() not in _WORDS:
        raise ValueError("give true or false")
    return _WORDS[text.lower()]


PLACES = ("COUNTER_NODES_FILE", "COUNTER_SENTINELS", "COUNTER_REDIS")
VARIABLES: t.Mapping[str, Variable] = {
    "nodes_file": Variable(
        "COUNTER_NODES_FILE", _maybe(Path), "", 'JSON: {"master_name", "sentinels": [{"ip", "port"}]}, read at each use'
    ),
    "sentinels": Variable("COUNTER_SENTINELS", _addresses, "", "or else: all Sentinels, as HOST:PORT,HOST:PORT"),
    "master_name": Variable("COUNTER_MASTER_NAME", str, "", "the name by which these know the master"),
    "redis": Variable("COUNTER_REDIS", _maybe(address), "", "or else: one address that always is the master's"),
    "credentials": Variable(
        "COUNTER_CREDENTIALS_DIR", _maybe(Path), "", "files username and password, read at each connection"
    ),
    "sentinel_auth": Variable("COUNTER_SENTINEL_AUTH", _yes, "true", "whether Sentinels want these credentials too"),
    "key": Variable("COUNTER_KEY", str, "counter", "the key of Redis that is counted in"),
    "key_seconds": Variable(
        "COUNTER_KEY_SECONDS", whole(1, 31_536_000), "3600", "how long an Idempotency-Key is remembered"
    ),
    "wait_replicas": Variable(
        "COUNTER_WAIT_REPLICAS", whole(0, 100), "1", "how many replicas must have it before it counts (0: none)"
    ),
    "wait_ms": Variable("COUNTER_WAIT_MS", whole(1, 60_000), "1000", "milliseconds that these are waited for"),
    "patience": Variable("COUNTER_PATIENCE", seconds(0, 60), "5", "seconds that a request is tried again"),
    "timeout": Variable("COUNTER_TIMEOUT", seconds(0.05, 60), "3", "seconds in which Redis must answer"),
    "connect_timeout": Variable(
        "COUNTER_CONNECT_TIMEOUT", seconds(0.05, 60), "1", "seconds in which there must be a connection"
    ),
    "ask_every": Variable("COUNTER_ASK_EVERY", seconds(0.05, 60), "0.25", "seconds between two questions to Sentinels"),
    "connections": Variable("COUNTER_CONNECTIONS", whole(1, 10_000), "64", "how many connections to Redis at most"),
    "port": Variable("COUNTER_PORT", port, "8080", "where it counts, and the page is"),
    "metrics_port": Variable("COUNTER_METRICS_PORT", port, "9090", "where /healthz, /readyz and /metrics are"),
    "linger": Variable("COUNTER_LINGER", seconds(0, 300), "5", "seconds that it goes on after SIGTERM"),
}
