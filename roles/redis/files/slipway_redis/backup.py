"""python -m slipway_redis backup: the data of Redis into a bucket, after it was seen to load. Ends by 0, or by 1."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import typing as t
from pathlib import Path

import redis

from ansible_collections.slipway.cloud.plugins.module_utils.program.command import refuse
from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import (
    SettingsError,
    Variable,
    read,
    whole,
)

from .archive import Archive, ArchiveError, Backup, Target, digest_of
from .dump import SERVER, DumpError, Node, Set, loaded, shown, take

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROGRAM = "slipway_redis backup"
VARIABLES: t.Mapping[str, Variable] = {
    "nodes_file": Variable("SLIPWAY_NODES_FILE", Path, None, "the pods of Redis and their addresses, JSON"),
    "secrets_dir": Variable("SLIPWAY_SECRETS_DIR", Path, None, "where the agent's password is, in the file agent"),
    "targets_file": Variable("SLIPWAY_TARGETS_FILE", Path, None, "the bucket, as a list of one target, JSON"),
    "prefix": Variable("SLIPWAY_BACKUP_PREFIX", str, None, "what the keys of all backups of this Redis begin with"),
    "keep": Variable("SLIPWAY_BACKUP_KEEP", whole(1, 10_000), "30", "how many backups are kept"),
    "keys": Variable("SLIPWAY_BACKUP_SHOW", str.split, "counter", "keys whose values are noted, separated by blanks"),
    "work_dir": Variable("SLIPWAY_WORK_DIR", Path, tempfile.gettempdir(), "where a file as large as the data may be"),
}


def settings_of(environ: Mapping[str, str]) -> dict[str, t.Any]:
    """Return the values of the table. :raises SettingsError: with everything that is wrong."""
    values, problems = read(environ, VARIABLES)
    if problems:
        raise SettingsError(problems)
    return values


def main(arguments: Sequence[str]) -> int:
    """Make a backup and print what is noted of it; returns the exit code."""
    argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description=__doc__).parse_args(arguments)
    try:
        settings = settings_of(os.environ)
        nodes = Set.read(settings["nodes_file"], settings["secrets_dir"])
        archive = Archive(Target.read(settings["targets_file"]), settings["prefix"])
        archive.prepare()
        backup = make(nodes, archive, keys=settings["keys"], work_dir=settings["work_dir"])
        archive.prune(settings["keep"])
    except SettingsError as error:
        return refuse(PROGRAM, error)
    except (ArchiveError, DumpError, redis.RedisError) as error:
        return refuse(PROGRAM, error, 1)
    print(backup.as_json(), flush=True)
    return 0


def make(
    nodes: Set,
    archive: Archive,
    *,
    keys: Sequence[str],
    work_dir: Path,
    called: str = "",
    server: Sequence[str | Path] = SERVER,
) -> Backup:
    """Take the data, see that it loads, and store it, its name beginning as it is ``called``.

    :raises ArchiveError, DumpError, redis.RedisError:
    """
    master = nodes.master()
    source = nodes.source(master)
    with tempfile.TemporaryDirectory(dir=work_dir) as home:
        file = Path(home) / "dump.rdb"
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        take(nodes, source, file)
        with loaded(file, server=server) as copy:
            digest = digest_of(file)
            backup = Backup(
                name=f"{called}{at}-{digest[:12]}",
                at=at,
                master_name=nodes.master_name,
                source=source.name,
                epoch=_epoch(nodes),
                offset=_offset(nodes, source),
                keys=sum(each["keys"] for each in copy.info("keyspace").values()),
                values=shown(copy, keys),
                size=file.stat().st_size,
                sha256=digest,
                redis_version=copy.info("server")["redis_version"],
            )
        archive.store(backup, file)
    return backup


def _offset(nodes: Set, source: Node) -> int:
    """Return how far the source is; the data is of a moment before."""
    with nodes.client(source) as client:
        told = client.info("replication")
    return int(told["slave_repl_offset" if told["role"] == "slave" else "master_repl_offset"])


def _epoch(nodes: Set) -> int:
    """Return the highest epoch that a Sentinel tells of."""
    epochs = []
    for sentinel in nodes.sentinels:
        try:
            with nodes.client(sentinel) as client:
                told = client.execute_command("SENTINEL MASTER", nodes.master_name)
        except redis.RedisError:
            continue
        fields = {_text(key): _text(value) for key, value in _pairs(told)}
        epochs.append(int(fields.get("config-epoch", 0)))
    return max(epochs, default=0)


def _pairs(told: t.Any) -> t.Iterable[tuple[t.Any, t.Any]]:
    return told.items() if isinstance(told, dict) else zip(told[::2], told[1::2], strict=True)


def _text(value: t.Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
