"""What the agent is told, by environment variables and files. Pure, but for reading those."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import (
    SettingsError,
    Variable,
    object_name,
    port,
    read,
    seconds,
    whole,
)

from .model import Cluster, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The variables of the table below, read. Times in seconds, but for those of Sentinel, which are milliseconds."""

    namespace: str
    pod: str
    pod_ip: str
    nodes_file: Path
    secrets_dir: Path
    config_dir: Path
    data_dir: Path
    bind: str
    port: int
    cold_start_wait: float
    start: str
    handover: bool
    handover_seconds: float
    force_master: str
    bootstrap: bool
    master_service: str
    down_after: int
    failover_timeout: int
    parallel_syncs: int
    reboot_down_after: int

    @property
    def address(self) -> str:
        """Where this pod's own Redis is for the agent."""
        return self.bind or "127.0.0.1"

    def cluster(self) -> Cluster:
        """Return the nodes as the file has them now. :raises SettingsError:"""
        try:
            return cluster_of(json.loads(self.nodes_file.read_text(encoding="utf-8")))
        except OSError as error:
            raise SettingsError([f"SLIPWAY_NODES_FILE is {str(self.nodes_file)!r}: {error.strerror}"]) from error
        except ValueError as error:
            raise SettingsError([f"SLIPWAY_NODES_FILE is {str(self.nodes_file)!r}: {error}"]) from error

    def secret(self, name: str) -> str:
        """Return what a file of the secrets has now, "" if there is none."""
        try:
            return (self.secrets_dir / name).read_text(encoding="utf-8").strip("\n")
        except FileNotFoundError:
            return ""


def from_environ(environ: t.Mapping[str, str], kind: str) -> Settings:
    """Return the settings of a node of a kind, "data" or "sentinels". :raises SettingsError: with all that is wrong."""
    values, problems = read(environ, VARIABLES)
    if problems:
        raise SettingsError(problems)
    settings = Settings(**values)
    cluster = settings.cluster()
    nodes: tuple[Node, ...] = getattr(cluster, kind)
    if settings.pod not in {each.name for each in nodes}:
        raise SettingsError([f"SLIPWAY_POD is {settings.pod!r}, which is not among the {kind} of SLIPWAY_NODES_FILE"])
    if settings.force_master and settings.force_master not in {each.name for each in cluster.data}:
        names = ", ".join(each.name for each in cluster.data)
        raise SettingsError([f"SLIPWAY_FORCE_MASTER is {settings.force_master!r}: give one of {names}, or none"])
    missing = [name for name in SECRETS if not settings.secret(name)]
    if missing:
        raise SettingsError([f"SLIPWAY_SECRETS_DIR is {str(settings.secrets_dir)!r}: it lacks {', '.join(missing)}"])
    return settings


def cluster_of(document: t.Any) -> Cluster:
    """Read the JSON of the nodes. :raises ValueError: with what is wrong."""
    try:
        data, sentinels = (tuple(_node(each) for each in document[kind]) for kind in ("data", "sentinels"))
        cluster = Cluster(
            data=data, sentinels=sentinels, master_name=str(document["master_name"]), quorum=int(document["quorum"])
        )
    except KeyError as error:
        raise ValueError(f"it lacks {error}") from error
    except TypeError as error:
        raise ValueError("it is no object with data, sentinels, master_name and quorum") from error
    names = [each.name for each in (*data, *sentinels)]
    if not data or not sentinels or len(set(names)) < len(names):
        raise ValueError("give at least one node of data and one of sentinels, each with a name of its own")
    if not 1 <= cluster.quorum <= len(sentinels):
        raise ValueError(f"its quorum is {cluster.quorum}: give 1 to {len(sentinels)}, the number of Sentinels")
    return cluster


def _node(row: t.Mapping[str, t.Any]) -> Node:
    return Node(name=str(row["name"]), ip=str(row["ip"]), port=int(row["port"]))


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("give true or false")
    return text == "true"


def _one_of(*known: str) -> t.Callable[[str], str]:
    def of(text: str) -> str:
        if text not in known:
            raise ValueError(f"give one of {', '.join(known)}")
        return text

    return of


SECRETS = ("users.acl", "sentinel.acl", "agent", "replica", "sentinel")
VARIABLES: t.Mapping[str, Variable] = {
    "namespace": Variable("SLIPWAY_NAMESPACE", object_name, None, "where the pods are"),
    "pod": Variable("SLIPWAY_POD", object_name, None, "the name of this pod"),
    "pod_ip": Variable("SLIPWAY_POD_IP", str, "", "its own address, for the EndpointSlice; none: it writes none"),
    "nodes_file": Variable(
        "SLIPWAY_NODES_FILE",
        Path,
        "/etc/slipway/nodes/nodes.json",
        'JSON: {"data": [{"name", "ip", "port"}], "sentinels": [...], "master_name", "quorum"}; read anew at each use',
    ),
    "secrets_dir": Variable(
        "SLIPWAY_SECRETS_DIR", Path, "/etc/slipway/redis", f"where {', '.join(SECRETS)} are, and a version"
    ),
    "config_dir": Variable("SLIPWAY_CONFIG_DIR", Path, "/etc/slipway/config", "redis.conf and sentinel.conf to add to"),
    "data_dir": Variable("SLIPWAY_DATA_DIR", Path, "/data", "where the copy is, and what is written of it"),
    "bind": Variable("SLIPWAY_BIND", str, "", "the only address to listen on; none: all"),
    "port": Variable("SLIPWAY_PORT", port, "9121", "where all agents have /healthz, /readyz, /metrics and /state"),
    "cold_start_wait": Variable(
        "SLIPWAY_COLD_START_WAIT", seconds(0, 86400), "120", "seconds that a copy which is missing is waited for"
    ),
    "start": Variable(
        "SLIPWAY_START", _one_of("safe", "first"), "safe", "first: the first pod is always master, which loses data"
    ),
    "handover": Variable("SLIPWAY_HANDOVER", _switch, "true", "false: end without a hand-over, which takes longer"),
    "handover_seconds": Variable("SLIPWAY_HANDOVER_SECONDS", seconds(1, 600), "20", "seconds for a hand-over"),
    "force_master": Variable("SLIPWAY_FORCE_MASTER", str, "", "the pod that is master where nothing else says who is"),
    "bootstrap": Variable("SLIPWAY_BOOTSTRAP", _switch, "false", "whether a set without any data is a new one"),
    "master_service": Variable(
        "SLIPWAY_MASTER_SERVICE", object_name, "redis-master", "the Service without selector that follows the master"
    ),
    "down_after": Variable("SLIPWAY_DOWN_AFTER", whole(100, 600_000), "5000", "Sentinel: ms after which one is down"),
    "failover_timeout": Variable("SLIPWAY_FAILOVER_TIMEOUT", whole(1000, 3_600_000), "15000", "Sentinel: ms"),
    "parallel_syncs": Variable("SLIPWAY_PARALLEL_SYNCS", whole(1, 100), "1", "Sentinel: replicas that sync at once"),
    "reboot_down_after": Variable(
        "SLIPWAY_REBOOT_DOWN_AFTER", whole(0, 3_600_000), "10000", "Sentinel: ms that a master may load its data for"
    ),
}
