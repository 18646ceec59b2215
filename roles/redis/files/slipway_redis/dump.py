"""The data of a Redis as a file: taken from a running one, and looked at by loading it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import typing as t
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

USER = "agent"
SERVER: t.Final = ("redis-server",)
_TIMEOUT = 10.0  # seconds that an answer may take
_SYNC_TIMEOUT = 300.0  # until a Redis that saves its data begins to send it
_LOAD_TIMEOUT = 300.0
_CATCH_UP = 5.0  # replicas tell how far they are once a second
_BLOCK = 1 << 16


class DumpError(Exception):
    """The data could not be had, or not be read."""


@dataclass(frozen=True, slots=True)
class Node:
    """Where a Redis or a Sentinel is."""

    name: str
    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class Set:
    """The pods of a Redis, as SLIPWAY_NODES_FILE names them, and the agent's password."""

    data: tuple[Node, ...]
    sentinels: tuple[Node, ...]
    master_name: str
    password: str

    @classmethod
    def read(cls, nodes_file: Path, secrets_dir: Path) -> Set:
        """Read the files. :raises DumpError:"""
        try:
            known = json.loads(nodes_file.read_text(encoding="utf-8"))
            rows = {kind: tuple(Node(**each) for each in known[kind]) for kind in ("data", "sentinels")}
            password = (secrets_dir / "agent").read_text(encoding="utf-8").strip()
            return cls(rows["data"], rows["sentinels"], known["master_name"], password)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DumpError(f"{nodes_file} and {secrets_dir} cannot be read: {error}") from error

    def client(self, node: Node, *, db: int = 0) -> redis.Redis:
        """Return a client of one of them, which asks once and gives bytes."""
        return redis.Redis(
            host=node.ip,
            port=node.port,
            db=db,
            username=USER,
            password=self.password,
            protocol=2,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )

    def master(self) -> Node:
        """Return the data pod that a majority of the Sentinels names. :raises DumpError:"""
        named = [each for sentinel in self.sentinels if (each := self._named_by(sentinel))]
        by_address = {(node.ip, node.port): node for node in self.data}
        for address in set(named):
            if named.count(address) * 2 > len(self.sentinels) and address in by_address:
                return by_address[address]
        raise DumpError(f"no majority of the Sentinels names a master: {len(named)} of {len(self.sentinels)} name one")

    def _named_by(self, sentinel: Node) -> tuple[str, int] | None:
        try:
            with self.client(sentinel) as client:
                answer = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", self.master_name)
        except redis.RedisError:
            return None
        return (_text(answer[0]), int(answer[1])) if answer else None

    def source(self, master: Node) -> Node:
        """Return the data pod to take the data from: a replica that has all of the master, else the master."""
        deadline = time.monotonic() + _CATCH_UP
        with self.client(master) as client:
            wanted = int(client.execute_command("ROLE")[1])
            while time.monotonic() < deadline:
                replicas = client.execute_command("ROLE")[2]
                there = [(_text(ip), int(port)) for ip, port, offset in replicas if int(offset) >= wanted]
                if found := [node for node in self.data if (node.ip, node.port) in there]:
                    return found[0]
                if not replicas:
                    break
                time.sleep(0.1)
        return master


def take(nodes: Set, source: Node, file: Path) -> None:
    """Write the data of a running Redis to a file, as a replica gets it. :raises DumpError:"""
    try:
        with nodes.client(source) as client:
            connection = client.connection_pool.get_connection()
            try:
                connection.send_command("REPLCONF", "rdb-only", "1")
                connection.read_response()
                connection.send_command("SYNC")
                connection._sock.settimeout(_SYNC_TIMEOUT)
                with connection._sock.makefile("rb") as stream, file.open("wb") as out:
                    _copy(stream, out, source)
            finally:
                connection.disconnect()
    except (redis.RedisError, OSError) as error:
        raise DumpError(f"{source.name} does not send its data: {error}") from error


def _copy(stream: t.BinaryIO, out: t.BinaryIO, source: Node) -> None:
    left = _announced(stream)
    while left:
        block = stream.read(min(left, _BLOCK))
        if not block:
            raise DumpError(f"{source.name} broke off before all of its data was sent")
        left -= out.write(block)


def _announced(stream: t.BinaryIO) -> int:
    """Return how many bytes follow; a Redis that is still saving sends empty lines."""
    while (line := stream.readline()) in (b"\n", b"\r\n"):
        pass
    if not line.startswith(b"$"):
        raise DumpError(f"no data follows: {line[:100]!r}")
    return int(line[1:])


@contextlib.contextmanager
def loaded(file: Path, *, server: Sequence[str | Path] = SERVER) -> Iterator[redis.Redis]:
    """Load a file into a Redis of its own, which nobody else reaches, and yield a client. :raises DumpError:"""
    socket = file.with_suffix(".sock")
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "dir": str(file.parent),
        "dbfilename": file.name,
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
    }
    command = [*server, *(part for name, value in options.items() for part in (f"--{name}", value))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with redis.Redis(unix_socket_path=str(socket), protocol=2, retry=Retry(NoBackoff(), 0)) as client:
                _wait_until_loaded(process, client, file)
                yield client
        finally:
            process.terminate()


def _wait_until_loaded(process: subprocess.Popen[bytes], client: redis.Redis, file: Path) -> None:
    deadline = time.monotonic() + _LOAD_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(redis.RedisError):
            if client.ping():
                return
        time.sleep(0.05)
    raise DumpError(f"{file.name} cannot be loaded: it is damaged, or of a newer Redis")


def shown(client: redis.Redis, keys: Sequence[str]) -> dict[str, str]:
    """Return the values of those keys that are there and hold text."""
    found = {}
    for key in keys:
        with contextlib.suppress(redis.ResponseError):  # it holds something else
            value = client.get(key)
            if isinstance(value, bytes):
                found[key] = value.decode(errors="replace")
    return found


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
