"""The file of nodes, as the role redis writes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from slipway_counter.masters import NodesError, nodes
from slipway_counter.settings import Address

if TYPE_CHECKING:
    from pathlib import Path

GOOD: dict[str, Any] = {
    "data": [{"name": "redis-0", "ip": "10.0.0.1", "port": 6379}],
    "sentinels": [
        {"name": "redis-sentinel-0", "ip": "10.0.0.2", "port": 26379},
        {"name": "redis-sentinel-1", "ip": "fd00::3", "port": 26379},
    ],
    "master_name": "redis-redis",
    "quorum": 2,
}


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    path.write_text(json.dumps(GOOD))
    assert nodes(path) == ("redis-redis", (Address("10.0.0.2", 26379), Address("fd00::3", 26379)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        json.dumps({**GOOD, "sentinels": []}),
        json.dumps({**GOOD, "master_name": ""}),
        json.dumps({**GOOD, "sentinels": [{"name": "a"}]}),
        json.dumps({**GOOD, "sentinels": [{"ip": "10.0.0.2", "port": "many"}]}),
        json.dumps({"sentinels": GOOD["sentinels"]}),
    ],
)
def test_what_tells_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "nodes.json"
    path.write_text(text)
    with pytest.raises(NodesError, match=r"nodes\.json"):
        nodes(path)
    with pytest.raises(NodesError, match="elsewhere"):
        nodes(tmp_path / "elsewhere")
