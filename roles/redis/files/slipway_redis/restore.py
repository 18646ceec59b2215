"""python -m slipway_redis restore: what a backup holds, in the place of what Redis holds.

--look shows what there is and what would be dropped, and changes nothing. Else all keys are copied into databases
that are not in use, and change places with the others at once: whoever asks Redis sees what was before or what is
after, and nothing between. What Redis held is backed up first. Ends by 0, or by 1 with why; then Redis is as it was.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import typing as t
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import redis

from ansible_collections.slipway.cloud.plugins.module_utils.program.command import refuse
from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import SettingsError

from . import backup as backups
from .archive import BEFORE, Archive, ArchiveError, Backup, Target
from .dump import SERVER, DumpError, Node, Set, loaded, shown

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROGRAM = "slipway_redis restore"
IN_USE: t.Final = range(8)
"""The databases that somebody may use; the other eight are those that a restore fills."""
_SHIFT: t.Final = len(IN_USE)
_LAST: t.Final = 2 * _SHIFT - 1
_MARK: t.Final = "slipway:restoring"
"""In the last database: what is in those of a restore is of one, and may be deleted."""
_AT_ONCE = 500
_SAMPLES = 10
_WAIT_MS = 10_000


class RestoreError(Exception):
    """The backup was not restored."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a restore changes: how many keys come back, have another value, and go; and the values of some."""

    missing: int
    different: int
    newer: int
    values: dict[str, dict[str, str]]

    @property
    def nothing(self) -> bool:
        """Whether Redis holds what the backup does."""
        return not (self.missing or self.different or self.newer)


def main(arguments: Sequence[str]) -> int:
    """Restore, or look; prints what there is, as JSON; returns the exit code."""
    known = argparse.ArgumentParser(
        prog=f"python -m {PROGRAM}", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known.add_argument("--from", dest="name", default="", help="the name of a backup; without it the newest")
    known.add_argument("--look", action="store_true", help="show what would be changed, and change nothing")
    wanted = known.parse_args(arguments)
    try:
        settings = backups.settings_of(os.environ)
        nodes = Set.read(settings["nodes_file"], settings["secrets_dir"])
        archive = Archive(Target.read(settings["targets_file"]), settings["prefix"])
        report = run(
            nodes, archive, wanted.name, look=wanted.look, keys=settings["keys"], work_dir=settings["work_dir"]
        )
    except SettingsError as error:
        return refuse(PROGRAM, error)
    except (ArchiveError, DumpError, RestoreError, redis.RedisError) as error:
        return refuse(PROGRAM, error, 1)
    print(json.dumps(report), flush=True)
    return 0


def run(
    nodes: Set,
    archive: Archive,
    name: str,
    *,
    look: bool,
    keys: Sequence[str],
    work_dir: Path,
    server: Sequence[str | Path] = SERVER,
) -> dict[str, t.Any]:
    """Restore a backup, or look what that would change: {"backup", "difference", "before", "changed"}."""
    chosen = _chosen(archive, name)
    master = nodes.master()
    with tempfile.TemporaryDirectory(dir=work_dir) as home:
        file = Path(home) / "dump.rdb"
        archive.fetch(chosen, file)
        with loaded(file, server=server) as copy:
            found = difference(copy, nodes, master, keys)
            before = None
            if not look and not found.nothing:
                _make_room(copy, nodes, master)
                before = backups.make(nodes, archive, keys=keys, work_dir=work_dir, called=BEFORE, server=server)
                replace(copy, nodes, master)
    return {
        "backup": asdict(chosen),
        "difference": asdict(found),
        "before": before and before.name,
        "changed": not found.nothing and not look,
    }


def _chosen(archive: Archive, name: str) -> Backup:
    chosen = archive.named(name) if name else archive.newest()
    if chosen is None:
        raise RestoreError("there is no backup: make one by playbooks/backup.yml, or look whether the prefix is right")
    return chosen


def difference(copy: redis.Redis, nodes: Set, master: Node, keys: Sequence[str]) -> Difference:
    """Compare the backup with what Redis holds."""
    missing = different = newer = 0
    for db in IN_USE:
        with nodes.client(master, db=db) as live, _database(copy, db) as old:
            for some in _batches(old):
                pairs = zip(_dumped(old, some), _dumped(live, some), strict=True)
                results = [(was != now, now is None) for was, now in pairs]
                missing += sum(gone for _, gone in results)
                different += sum(differs and not gone for differs, gone in results)
            for some in _batches(live):
                newer += sum(held is None for held in _dumped(old, some))
    with nodes.client(master) as live, _database(copy, 0) as old:
        now, then = shown(live, keys), shown(old, keys)
    named = islice((key for key in keys if now.get(key) != then.get(key)), _SAMPLES)
    values = {key: {"now": now.get(key, ""), "backup": then.get(key, "")} for key in named}
    return Difference(missing, different, newer, values)


def replace(copy: redis.Redis, nodes: Set, master: Node) -> None:
    """Have Redis hold what the copy holds, at once. :raises RestoreError, redis.RedisError: and it is as it was."""
    with nodes.client(master) as live, nodes.client(master, db=_LAST) as last:
        replicas = len(live.execute_command("ROLE")[2])
        try:
            last.set(_MARK, "begun")
            for db in IN_USE:
                with nodes.client(master, db=db + _SHIFT) as place, _database(copy, db) as old:
                    for some in _batches(old):
                        _copy(old, place, some)
            last.set(_MARK, "copied")
            _confirmed(last, replicas)
            _swap(live)
            _confirmed(live, replicas)
        finally:
            _clear(nodes, master)


def _swap(live: redis.Redis) -> None:
    """Have the databases change places, all at once; the mark stays with those that are no longer in use."""
    together = live.pipeline(transaction=True)
    together.execute_command("SELECT", _LAST)
    together.execute_command("DEL", _MARK)
    for db in IN_USE:
        together.execute_command("SWAPDB", db, db + _SHIFT)
    together.execute_command("SET", _MARK, "1")
    together.execute_command("SELECT", 0)
    together.execute()


def _batches(client: redis.Redis) -> Iterator[list[bytes]]:
    """Return the keys of a database, some at a time."""
    keys = client.scan_iter(count=_AT_ONCE)
    while some := list(islice(keys, _AT_ONCE)):
        yield some


def _confirmed(client: redis.Redis, replicas: int) -> None:
    """Have a replica hold what this client, which has one connection, wrote last. :raises RestoreError:"""
    if replicas and not client.wait(1, _WAIT_MS):
        raise RestoreError(f"no replica confirmed what was written within {_WAIT_MS / 1000:g} s")


def _copy(old: redis.Redis, place: redis.Redis, keys: Sequence[bytes]) -> None:
    reading = old.pipeline(transaction=True)
    for key in keys:
        reading.dump(key)
        reading.pttl(key)
    found = reading.execute()
    writing = place.pipeline(transaction=False)
    for key, held, left in zip(keys, found[::2], found[1::2], strict=True):
        if held is not None:  # else it has expired meanwhile
            writing.restore(key, max(left, 0), held, replace=True)
    writing.execute()


def _dumped(client: redis.Redis, keys: Sequence[bytes]) -> list[bytes | None]:
    reading = client.pipeline(transaction=False)
    for key in keys:
        reading.dump(key)
    found: list[bytes | None] = reading.execute()
    return found


def _clear(nodes: Set, master: Node) -> None:
    """Delete what a restore has left, the mark last."""
    for db in range(_SHIFT, _LAST + 1):
        with nodes.client(master, db=db) as place:
            place.flushdb(asynchronous=True)


def _make_room(copy: redis.Redis, nodes: Set, master: Node) -> None:
    """Delete what an interrupted restore has left. :raises RestoreError: where it is of somebody else."""
    with nodes.client(master) as live:
        for what, client in (("the backup", copy), ("Redis", live)):
            used = {int(name.removeprefix("db")) for name in client.info("keyspace")} - set(IN_USE)
            if used and not (client is live and _marked(nodes, master)):
                raise RestoreError(
                    f"{what} has data in database {min(used)}; those from {_SHIFT} on are needed for a restore"
                )
    _clear(nodes, master)


def _marked(nodes: Set, master: Node) -> bool:
    with nodes.client(master, db=_LAST) as last:
        return bool(last.exists(_MARK))


def _database(copy: redis.Redis, db: int) -> redis.Redis:
    """Return a client of a database of the copy."""
    return redis.Redis(unix_socket_path=copy.connection_pool.connection_kwargs["path"], db=db, protocol=2)
