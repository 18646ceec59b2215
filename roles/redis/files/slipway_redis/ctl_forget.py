"""ctl forget: has the Sentinel of this pod forget the pods that there are no longer, which it never does by itself."""

from __future__ import annotations

import json
import os
import time
import typing as t
from pathlib import Path

import redis

from ansible_collections.slipway.cloud.plugins.module_utils.program.command import refuse

from .dump import DumpError, Node, Set

if t.TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "slipway_redis ctl forget"
_TIMEOUT = 45.0  # seconds: Sentinels tell of themselves every 2 s, a master of its replicas every 10 s


def main(_arguments: Sequence[str]) -> int:
    """Forget, and wait until what is there is known again; returns the exit code."""
    try:
        nodes = Set.read(Path(os.environ["SLIPWAY_NODES_FILE"]), Path(os.environ["SLIPWAY_SECRETS_DIR"]))
        pod = os.environ["SLIPWAY_POD"]
        own = next((each for each in nodes.sentinels if each.name == pod), None)
        if own is None:
            raise DumpError(f"{pod} is no Sentinel of {nodes.master_name}")
        changed = forget(nodes, own)
    except (KeyError, DumpError, redis.RedisError) as error:
        return refuse(PROGRAM, error, 1)
    print(json.dumps({"changed": changed}), flush=True)
    return 0


def forget(nodes: Set, own: Node, *, timeout: float = _TIMEOUT) -> bool:
    """Have a Sentinel know no more than there is; return whether it did. :raises DumpError, redis.RedisError:"""
    with nodes.client(own) as sentinel:
        if known(sentinel, nodes) <= expected(nodes, own):
            return False
        sentinel.execute_command("SENTINEL RESET", nodes.master_name)
        deadline = time.monotonic() + timeout
        while known(sentinel, nodes) != expected(nodes, own):
            if time.monotonic() > deadline:
                raise DumpError(f"{own.name} does not know all of the others again within {timeout:g} s")
            time.sleep(0.5)
    return True


def expected(nodes: Set, own: Node) -> set[tuple[str, int]]:
    """Return the addresses that a Sentinel is to know of, the master's among them."""
    return {(each.ip, each.port) for each in nodes.data + nodes.sentinels if each != own}


def known(sentinel: redis.Redis, nodes: Set) -> set[tuple[str, int]]:
    """Return the addresses that it knows of."""
    found = {tuple(sentinel.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", nodes.master_name))}
    for what in ("REPLICAS", "SENTINELS"):
        for row in sentinel.execute_command(f"SENTINEL {what}", nodes.master_name):
            fields = row if isinstance(row, dict) else dict(zip(row[::2], row[1::2], strict=True))
            found.add((_field(fields, "ip"), _field(fields, "port")))
    return {(_text(ip), int(_text(port))) for ip, port in found}


def _field(fields: dict[t.Any, t.Any], name: str) -> t.Any:
    return fields.get(name, fields.get(name.encode()))


def _text(value: t.Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
