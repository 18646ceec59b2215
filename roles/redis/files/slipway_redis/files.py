"""The files on the disk of a node: what its Redis or Sentinel reads, and what is known of its copy."""

from __future__ import annotations

import hashlib
import json
import os
import re
import typing as t
from dataclasses import asdict, dataclass

from .model import State

if t.TYPE_CHECKING:
    from pathlib import Path

    from .model import Cluster, Node
    from .settings import Settings

# What a Sentinel has written of the others, and goes on with.
_REMEMBERED = ("known-replica", "known-slave", "known-sentinel", "config-epoch", "leader-epoch", "current-epoch")
NEVER_SO_MANY = 1_000_000  # replicas that a master needs for a write while it is to take none
CANDIDATE = 100  # replica-priority of one that may be promoted; 0 for one that may not


@dataclass(frozen=True, slots=True)
class Memory:
    """What a Sentinel goes on with: the address of the master, and lines of its file."""

    ip: str
    port: int
    lines: tuple[str, ...] = ()


def write(path: Path, text: str) -> None:
    """Write a file that is whole after a power cut, and that nobody else reads."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_state(path: Path) -> State | None:
    """Return what is known of the copy, None if its disk is empty. :raises ValueError: if the file is damaged."""
    try:
        return State.of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def write_state(path: Path, state: State) -> None:
    """Keep what is known of the copy."""
    write(path, json.dumps(asdict(state)))


def min_replicas(settings: Settings) -> int:
    """Return the replicas that a master needs for a write, by the configuration that is the same for all."""
    text = (settings.config_dir / "redis.conf").read_text(encoding="utf-8")
    found = re.findall(r"^\s*min-(?:replicas|slaves)-to-write\s+(\d+)\s*$", text, re.MULTILINE)
    return int(found[-1]) if found else 0


def redis_conf(settings: Settings, node: Node, master: Node | None, *, held: bool = False) -> str:
    """Return the configuration of a data node: it begins as no candidate, whatever it was before.

    :param held: whether it takes no writes until it is told to.
    """
    lines = [
        f"include {quoted(str(settings.config_dir / 'redis.conf'))}",
        f"bind {settings.bind or '* -::*'}",
        f"port {node.port}",
        f"dir {quoted(str(settings.data_dir))}",
        f"aclfile {quoted(str(settings.secrets_dir / 'users.acl'))}",
        "masteruser replica",
        f"masterauth {quoted(settings.secret('replica'))}",
        f"replica-announce-ip {node.ip}",
        f"replica-announce-port {node.port}",
        "replica-priority 0",
    ]
    if held:
        lines.append(f"min-replicas-to-write {NEVER_SO_MANY}")
    if master:
        lines.append(f"replicaof {master.ip} {master.port}")
    return "\n".join((*lines, ""))


def sentinel_conf(settings: Settings, cluster: Cluster, memory: Memory) -> str:
    """Return the configuration of a Sentinel that goes on with what it remembers."""
    node, name = cluster.named(settings.pod), cluster.master_name
    base = (settings.config_dir / "sentinel.conf").read_text(encoding="utf-8")
    lines = [
        f"bind {settings.bind or '* -::*'}",
        f"port {node.port}",
        f"dir {quoted(str(settings.data_dir))}",
        f"aclfile {quoted(str(settings.secrets_dir / 'sentinel.acl'))}",
        f"sentinel myid {sentinel_id(settings.namespace, settings.pod)}",
        f"sentinel announce-ip {node.ip}",
        f"sentinel announce-port {node.port}",
        "sentinel sentinel-user sentinel",
        f"sentinel sentinel-pass {quoted(settings.secret('sentinel'))}",
        f"sentinel monitor {name} {memory.ip} {memory.port} {cluster.quorum}",
        f"sentinel auth-user {name} sentinel",
        f"sentinel auth-pass {name} {quoted(settings.secret('sentinel'))}",
        f"sentinel down-after-milliseconds {name} {settings.down_after}",
        f"sentinel failover-timeout {name} {settings.failover_timeout}",
        f"sentinel parallel-syncs {name} {settings.parallel_syncs}",
        f"sentinel master-reboot-down-after-period {name} {settings.reboot_down_after}",
    ]
    return "\n".join((base.rstrip("\n"), *lines, *memory.lines, ""))


def remembered(text: str, master_name: str) -> Memory | None:
    """Return what a Sentinel's file remembers, None if that is nothing."""
    rows = [line.split() for line in text.splitlines() if line.startswith("sentinel ")]
    monitored = next((row for row in rows if row[1:3] == ["monitor", master_name] and len(row) == 6), None)
    if monitored is None:
        return None
    lines = tuple(" ".join(row) for row in rows if row[1] in _REMEMBERED)
    return Memory(monitored[3], int(monitored[4]), lines)


def begun(master: Node, cluster: Cluster, epoch: int) -> Memory:
    """Return the memory of a Sentinel that has learnt from others who is master, and at which epoch."""
    name = cluster.master_name
    return Memory(master.ip, master.port, (f"sentinel config-epoch {name} {epoch}", f"sentinel current-epoch {epoch}"))


def sentinel_id(namespace: str, pod: str) -> str:
    """Return what a Sentinel is to the others, which never forget one."""
    return hashlib.sha1(f"{namespace}/{pod}".encode(), usedforsecurity=False).hexdigest()[:40]


def users(text: str) -> dict[str, list[str]]:
    """Return the rules of each user of an ACL file."""
    rows = [re.split(r"\s+", line.strip()) for line in text.splitlines() if line.startswith("user ")]
    return {row[1]: row[2:] for row in rows}


def quoted(text: str) -> str:
    """Return a word as configuration files take it, whatever is in it."""
    escaped = "".join(
        f"\\{each}" if each in '"\\' else each if each.isprintable() and each.isascii() else _hex(each) for each in text
    )
    return f'"{escaped}"'


def _hex(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode())
