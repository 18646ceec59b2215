"""An environment that the agent accepts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

NODES: dict[str, Any] = {
    "data": [{"name": f"redis-{n}", "ip": f"10.0.0.{n + 1}", "port": 6379} for n in range(3)],
    "sentinels": [{"name": f"redis-sentinel-{n}", "ip": f"10.0.1.{n + 1}", "port": 26379} for n in range(3)],
    "master_name": "m",
    "quorum": 2,
}


def environment(home: Path, nodes: Any = None) -> dict[str, str]:
    """The variables of redis-0, and the files that they name."""
    (home / "nodes.json").write_text(json.dumps(NODES if nodes is None else nodes))
    for name in ("secrets", "config"):
        (home / name).mkdir(exist_ok=True)
    for name in ("agent", "replica", "sentinel"):
        (home / "secrets" / name).write_text(f'of "{name}"\n')
    for name in ("users.acl", "sentinel.acl"):
        (home / "secrets" / name).write_text("user default off\n")
    (home / "config" / "redis.conf").write_text("appendonly yes\nmin-replicas-to-write 1\n")
    (home / "config" / "sentinel.conf").write_text("sentinel resolve-hostnames no\n")
    return {
        "SLIPWAY_NAMESPACE": "redis",
        "SLIPWAY_POD": "redis-0",
        "SLIPWAY_NODES_FILE": str(home / "nodes.json"),
        "SLIPWAY_SECRETS_DIR": str(home / "secrets"),
        "SLIPWAY_CONFIG_DIR": str(home / "config"),
        "SLIPWAY_DATA_DIR": str(home),
    }
