"""What the worker is told, by environment variables. Pure."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.slipway.cloud.plugins.module_utils.engine.cluster import (
    label_problems,
    name_problems,
)
from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import (
    SettingsError,
    Variable,
    port,
    read,
    seconds,
    whole,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The variables of the table below, read. Times in seconds."""

    namespaces: tuple[str, ...]
    image: str
    node_selector: t.Mapping[str, str]
    max_replicas: int
    max_deadline: float
    listen: str
    health_listen: str
    metrics_port: int
    tls_dir: Path
    tokens_file: Path | None
    drain: float
    inactivity: float
    threads: int


def from_environ(environ: t.Mapping[str, str]) -> Settings:
    """Return the settings. :raises SettingsError: with everything that is wrong."""
    values, problems = read(environ, VARIABLES)
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def _namespaces(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, map(str.strip, text.split(","))))
    problems = [problem for name in names for problem in name_problems("namespace", name)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    problems += [f"namespace {name!r} is given {names.count(name)} times: name it once" for name in repeated]
    _refuse(problems if names else ["name at least one namespace"])
    return names


def _image(text: str) -> str:
    _refuse(["it is no image reference such as registry/name:tag"] if any(map(str.isspace, text)) else [])
    return text


def _node_selector(text: str) -> t.Mapping[str, str]:
    try:
        selector = json.loads(text)
    except ValueError as error:
        raise ValueError(f'it is no JSON ({error}): give an object such as {{"label": "value"}}') from error
    if not isinstance(selector, dict) or not all(isinstance(value, str) for value in selector.values()):
        raise ValueError('it is no object of strings: give one such as {"label": "value"}, or {} for any node')
    _refuse(label_problems(selector, what="node selector"))
    return selector


def _address(text: str) -> str:
    host, colon, number = text.rpartition(":")
    if not (host and colon) or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        raise ValueError("give HOST:PORT, as [::]:50051 or 0.0.0.0:50051")
    port(number)
    return text


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _refuse(problems: t.Sequence[str]) -> None:
    if problems:
        raise ValueError("; ".join(problems))


VARIABLES: t.Mapping[str, Variable] = {
    "namespaces": Variable(
        "SLIPWAY_NAMESPACES", _namespaces, None, "where clusters may be: a comma list, the first is the default"
    ),
    "image": Variable(
        "SLIPWAY_IMAGE", _image, "registry.k8s.io/pause:3.10.2", "the image of a cluster that names none"
    ),
    "node_selector": Variable(
        "SLIPWAY_NODE_SELECTOR", _node_selector, '{"slipway.dev/clusters": "allowed"}', "labels of nodes, JSON"
    ),
    "max_replicas": Variable("SLIPWAY_MAX_REPLICAS", whole(0, 1_000_000), "1000", "the most pods of a cluster"),
    "max_deadline": Variable("SLIPWAY_MAX_DEADLINE", seconds(1, 86400), "900", "seconds that a call may wait at most"),
    "listen": Variable("SLIPWAY_LISTEN", _address, "[::]:50051", "where calls are served, by mutual TLS"),
    "health_listen": Variable(
        "SLIPWAY_HEALTH_LISTEN", _address, "[::]:50052", "where grpc.health.v1 is served, in plain text"
    ),
    "metrics_port": Variable("SLIPWAY_METRICS_PORT", port, "9090", "where Prometheus asks"),
    "tls_dir": Variable(
        "SLIPWAY_TLS_DIR", Path, "/etc/slipway/tls", "has ca.crt, tls.crt and tls.key; read again when changed"
    ),
    "tokens_file": Variable(
        "SLIPWAY_TOKENS_FILE", _path, "", 'JSON {"name": "SHA-256 of the token, hex"}; if set, calls need a token too'
    ),
    "drain": Variable("SLIPWAY_DRAIN", seconds(0, 3600), "20", "seconds that calls get to end after SIGTERM"),
    "inactivity": Variable(
        "SLIPWAY_INACTIVITY", seconds(1, 3600), "70", "seconds of silence after which a stream is taken for dead"
    ),
    "threads": Variable("SLIPWAY_THREADS", whole(1, 256), "16", "requests to the API server at a time"),
}
