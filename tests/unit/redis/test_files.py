"""What is written to the disk of a node, and read from it again."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from slipway_redis import files
from slipway_redis.files import Memory
from slipway_redis.model import Cluster, Node, Role, State
from slipway_redis.settings import Settings, from_environ

from tests.unit.redis.given import environment

if TYPE_CHECKING:
    from pathlib import Path

STATE = State(epoch=3, life=1, role=Role.MASTER, replid="r", offset=7, dbsize=2, durable=True, at=1.5)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environ(environment(tmp_path), "data")


QUOTED = [
    ("simple", '"simple"'),
    ("", '""'),
    ("two words", '"two words"'),
    ('a "quote"', '"a \\"quote\\""'),
    ("back\\slash", '"back\\\\slash"'),
    ("tab\tnew\n", '"tab\\x09new\\x0a"'),
    ("ümlaut", '"\\xc3\\xbcmlaut"'),
]


@pytest.mark.parametrize(("text", "expected"), QUOTED)
def test_quoted(text: str, expected: str) -> None:
    assert files.quoted(text) == expected


def test_the_state_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert files.read_state(path) is None
    files.write_state(path, STATE)
    assert files.read_state(path) == STATE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    path.write_text('{"epoch": 3}')
    with pytest.raises(ValueError, match="no state of a copy"):
        files.read_state(path)


def test_a_replica_begins_as_no_candidate(settings: Settings) -> None:
    cluster = settings.cluster()
    lines = files.redis_conf(settings, cluster.named("redis-0"), cluster.named("redis-1")).splitlines()
    assert lines[0].startswith('include "')
    assert lines[-2:] == ["replica-priority 0", "replicaof 10.0.0.2 6379"]
    assert 'masterauth "of \\"replica\\""' in lines
    assert "replica-announce-ip 10.0.0.1" in lines
    assert "bind * -::*" in lines
    assert "min-replicas" not in "".join(lines)
    held = files.redis_conf(settings, cluster.named("redis-0"), None, held=True)
    assert held.endswith("min-replicas-to-write 1000000\n")
    assert files.min_replicas(settings) == 1
    alone = files.redis_conf(settings, cluster.named("redis-0"), None)
    assert "replicaof" not in alone


WRITTEN = """\
port 26379
sentinel myid 0123
sentinel monitor m 10.0.0.2 6379 1
sentinel auth-pass m "old password"
sentinel config-epoch m 7
sentinel leader-epoch m 8
sentinel current-epoch 8
sentinel known-replica m 10.0.0.1 6379
sentinel known-sentinel m 10.0.1.2 26379 4567
"""
REMEMBERED = {
    "what another monitors": ("sentinel monitor other 10.0.0.2 6379 1\n", None),
    "nothing": ("", None),
    "a damaged line": ("sentinel monitor m 10.0.0.2\n", None),
    "all": (
        WRITTEN,
        Memory(
            "10.0.0.2",
            6379,
            (
                "sentinel config-epoch m 7",
                "sentinel leader-epoch m 8",
                "sentinel current-epoch 8",
                "sentinel known-replica m 10.0.0.1 6379",
                "sentinel known-sentinel m 10.0.1.2 26379 4567",
            ),
        ),
    ),
}


@pytest.mark.parametrize("row", REMEMBERED)
def test_remembered(row: str) -> None:
    text, expected = REMEMBERED[row]
    assert files.remembered(text, "m") == expected


def test_a_sentinel_goes_on_with_what_it_remembers_and_todays_settings(tmp_path: Path) -> None:
    settings = from_environ(environment(tmp_path) | {"SLIPWAY_POD": "redis-sentinel-0"}, "sentinels")
    memory = files.remembered(WRITTEN, "m")
    assert memory
    text = files.sentinel_conf(settings, settings.cluster(), memory)
    assert text.startswith("sentinel resolve-hostnames no\n")
    assert "sentinel monitor m 10.0.0.2 6379 2\n" in text  # the quorum of today
    assert 'sentinel auth-pass m "of \\"sentinel\\""\n' in text
    assert "old password" not in text
    assert f"sentinel myid {files.sentinel_id('redis', 'redis-sentinel-0')}\n" in text
    assert "sentinel known-sentinel m 10.0.1.2 26379 4567\n" in text
    assert files.remembered(text, "m") == memory


def test_a_sentinel_begins_at_the_epoch_it_has_learnt() -> None:
    node = Node(name="redis-0", ip="10.0.0.1", port=6379)
    cluster = Cluster(data=(node,), sentinels=(), master_name="m", quorum=1)
    lines = ("sentinel config-epoch m 7", "sentinel current-epoch 7")
    assert files.begun(node, cluster, 7) == Memory("10.0.0.1", 6379, lines)


def test_the_id_of_a_sentinel_is_of_its_name_alone() -> None:
    ids = {files.sentinel_id(namespace, pod) for namespace in ("a", "b") for pod in ("x", "y")}
    assert len(ids) == 4
    assert all(len(each) == 40 for each in ids)


def test_users() -> None:
    text = "user default off\nuser app on #12 ~* +@all\n\n# none\nuser  agent  on\n"
    assert files.users(text) == {"default": ["off"], "app": ["on", "#12", "~*", "+@all"], "agent": ["on"]}
