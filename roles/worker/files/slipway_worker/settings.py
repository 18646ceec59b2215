"""What the worker is told, by environment variables. Pure."""

from __future__ import annotations

import json
import math
import typing as t
from dataclasses import dataclass, fields
from pathlib import Path

from ansible_collections.slipway.cloud.plugins.module_utils.engine.cluster import (
    label_problems,
    name_problems,
)

PREFIX = "SLIPWAY_"


class SettingsError(Exception):
    """Variables that cannot be used; ``problems`` lists all of them, each with what to do."""

    def __init__(self, problems: t.Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


class PortError(Exception):
    """An address of the settings that cannot be listened on."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"Cannot listen on {address}: something else does, it is no address of this host, or it may not be taken."
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


@dataclass(frozen=True, slots=True)
class Variable:
    """How to read one field of the settings. An empty variable counts as none; ``read`` raises ValueError."""

    read: t.Callable[[str], t.Any]
    default: str | None
    help: str


def from_environ(environ: t.Mapping[str, str]) -> Settings:
    """Return the settings. :raises SettingsError: with everything that is wrong."""
    values: dict[str, t.Any] = {}
    problems = []
    for field in fields(Settings):
        variable = VARIABLES[field.name]
        name = PREFIX + field.name.upper()
        text = environ.get(name, "").strip() or variable.default
        if text is None:
            problems.append(f"{name} is not set; it is {variable.help}")
            continue
        try:
            values[field.name] = variable.read(text)
        except ValueError as error:
            problems.append(f"{name} is {text!r}: {error}")
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def describe() -> str:
    """Return a line for each variable, for --help."""
    rows = [(PREFIX + name.upper(), variable) for name, variable in VARIABLES.items()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:{width}}  {variable.help}{_default(variable)}" for name, variable in rows)


def _default(variable: Variable) -> str:
    return " [required]" if variable.default is None else f" [{variable.default}]" if variable.default else ""


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
    host, colon, port = text.rpartition(":")
    if not (host and colon) or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        raise ValueError("give HOST:PORT, as [::]:50051 or 0.0.0.0:50051")
    _port(port)
    return text


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError("give a port from 0 (any that is free) to 65535")
    return int(text)


def _whole(least: int, most: int) -> t.Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"give a whole number from {least} to {most}")
        return int(text)

    return read


def _seconds(least: float, most: float) -> t.Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:  # which is so of no NaN
            raise ValueError(f"give seconds, from {least:g} to {most:g}")
        return value

    return read


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _refuse(problems: t.Sequence[str]) -> None:
    if problems:
        raise ValueError("; ".join(problems))


VARIABLES: t.Mapping[str, Variable] = {
    "namespaces": Variable(_namespaces, None, "where clusters may be: a comma list, the first is the default"),
    "image": Variable(_image, "registry.k8s.io/pause:3.10.2", "the image of a cluster that names none"),
    "node_selector": Variable(_node_selector, '{"slipway.dev/clusters": "allowed"}', "labels of nodes, JSON"),
    "max_replicas": Variable(_whole(0, 1_000_000), "1000", "the most pods of a cluster"),
    "max_deadline": Variable(_seconds(1, 86400), "900", "seconds that a call may wait at most"),
    "listen": Variable(_address, "[::]:50051", "where calls are served, by mutual TLS"),
    "health_listen": Variable(_address, "[::]:50052", "where grpc.health.v1 is served, in plain text"),
    "metrics_port": Variable(_port, "9090", "where Prometheus asks"),
    "tls_dir": Variable(Path, "/etc/slipway/tls", "has ca.crt, tls.crt and tls.key; read again when changed"),
    "tokens_file": Variable(_path, "", 'JSON {"name": "SHA-256 of the token, hex"}; if set, calls need a token too'),
    "drain": Variable(_seconds(0, 3600), "20", "seconds that calls get to end after SIGTERM"),
    "inactivity": Variable(_seconds(1, 3600), "70", "seconds of silence after which a stream is taken for dead"),
    "threads": Variable(_whole(1, 256), "16", "requests to the API server at a time"),
}
