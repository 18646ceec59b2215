"""Backup, restore, rotation and what Sentinels forget: of real nodes under their agents, into a real store."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.paths import CHECKOUT
from tests.support.redis_set import RedisSet, interpreter
from tests.support.stores import VersityGateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.redis_set import Pod
    from tests.support.stores import Bucket

PREFIX = "redis/test-redis"


class Stand:
    """A set of two data nodes and a Sentinel, and a bucket for its backups that is yet to be made."""

    def __init__(self, redis_set: RedisSet, bucket: Bucket, home: Path) -> None:
        self.set, self.bucket, self.home = redis_set, bucket, home
        self.master: Pod = redis_set.settled()
        (home / "targets.json").write_text(json.dumps([bucket.target("store", create=True, privilege="")]))

    def job(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run what a Job runs."""
        environment = {
            **{key: self.set.data[0].environment[key] for key in ("PATH", "PYTHONPATH")},
            **{key: self.set.data[0].environment[key] for key in ("SLIPWAY_NODES_FILE", "SLIPWAY_SECRETS_DIR")},
            "SLIPWAY_TARGETS_FILE": str(self.home / "targets.json"),
            "SLIPWAY_BACKUP_PREFIX": PREFIX,
            "SLIPWAY_WORK_DIR": str(self.home),
            **settings,
        }
        command = [interpreter(), "-m", "slipway_redis", *arguments]
        return subprocess.run(
            command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False
        )

    def said(self, *arguments: str, **settings: str) -> dict[str, Any]:
        """What a Job that ended well said."""
        answer = self.job(*arguments, **settings)
        assert answer.returncode == 0, answer.stderr
        return dict(json.loads(answer.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    home = tmp_path_factory.mktemp("backup")
    with VersityGateway(home / "store") as store, RedisSet(home / "set", data=2, sentinels=1) as redis_set:
        redis_set.start(SLIPWAY_BOOTSTRAP="true")
        yield Stand(redis_set, store.bucket("redis-backups"), home)


def test_there_and_back(stand: Stand) -> None:
    live = stand.master.to()
    live.set("counter", 120)
    live.set("done:a", "119", ex=3600)
    live.hset("map", mapping={"x": "1", "y": "2"})
    live.execute_command("SELECT", 3)
    live.set("elsewhere", "3")
    live.execute_command("SELECT", 0)

    backup = stand.said("backup")
    assert (backup["keys"], backup["values"]) == (4, {"counter": "120"})
    assert backup["source"] != stand.master.name  # a replica has all of it
    assert stand.bucket.keys(f"{PREFIX}/") == [f"{PREFIX}/{backup['name']}.json", f"{PREFIX}/{backup['name']}.rdb"]
    assert stand.bucket.anonymous(f"{PREFIX}/{backup['name']}.rdb") == 403
    assert stand.said("restore", "--look")["changed"] is False  # nothing is other than in the backup
    assert stand.said("restore")["changed"] is False

    live.set("counter", 150)
    live.set("newer", "x")
    live.delete("map")
    looked = stand.said("restore", "--look")
    assert looked["difference"] == {
        "missing": 1,
        "different": 1,
        "newer": 1,
        "values": {"counter": {"now": "150", "backup": "120"}},
    }
    assert live.get("counter") == "150"

    done = stand.said("restore", f"--from={backup['name']}")
    assert done["changed"]
    assert (live.get("counter"), live.exists("newer"), live.hgetall("map")) == ("120", 0, {"x": "1", "y": "2"})
    assert 0 < live.ttl("done:a") <= 3600
    assert {name: each["keys"] for name, each in live.info("keyspace").items()} == {"db0": 3, "db3": 1}
    assert stand.said("restore", f"--from={backup['name']}")["changed"] is False

    assert stand.said("restore")["changed"] is False  # the newest is still the one that was made as such
    back = stand.said("restore", f"--from={done['before']}")
    assert back["changed"]
    assert live.get("counter") == "150"


def test_a_restore_that_was_interrupted_leaves_all_as_it_was(stand: Stand) -> None:
    live = stand.master.to()
    live.set("counter", 7)
    stand.said("backup")
    live.set("counter", 8)
    live.execute_command("SELECT", 15)
    live.set("slipway:restoring", "begun")  # as one leaves it that was killed
    live.execute_command("SELECT", 9)
    live.set("half", "of it")
    live.execute_command("SELECT", 0)
    assert stand.said("restore")["changed"]
    assert live.get("counter") == "7"
    assert "db9" not in live.info("keyspace")

    live.set("counter", 9)
    live.execute_command("SELECT", 9)
    live.set("mine", "not of a restore")
    live.execute_command("SELECT", 0)
    refused = stand.job("restore")
    assert refused.returncode == 1
    assert "Redis has data in database 9" in refused.stderr
    assert live.get("counter") == "9"
    live.execute_command("SELECT", 9)
    live.delete("mine")
    live.execute_command("SELECT", 0)


def test_old_backups_go(stand: Stand) -> None:
    for count in range(3):
        stand.master.to().set("counter", 1000 + count)
        stand.said("backup", SLIPWAY_BACKUP_KEEP="2")
    made = [key for key in stand.bucket.keys(f"{PREFIX}/") if "/before-" not in key]
    assert len(made) == 2 * 2


def test_what_is_damaged_is_not_restored(stand: Stand) -> None:
    stand.master.to().set("counter", 2000)
    backup = stand.said("backup")
    stand.master.to().set("counter", 2001)
    stand.bucket.write(f"{PREFIX}/{backup['name']}.rdb", b"REDIS0010 and then nothing of use")
    refused = stand.job("restore")
    assert refused.returncode == 1
    assert "another sha256" in refused.stderr
    assert stand.master.to().get("counter") == "2001"


def test_transactions_scripts_and_restores_outlive_a_power_cut(stand: Stand) -> None:
    stand.said("backup")
    with stand.master.to("app") as app:
        together = app.pipeline(transaction=True)
        together.set("of a transaction", 1)
        together.incr("counter")
        together.execute()
        app.eval("redis.call('SET', KEYS[1], 1) return redis.call('INCR', KEYS[2])", 2, "of a script", "another")
    stand.said("restore")
    with stand.master.to("app") as app:
        app.eval("redis.call('SET', KEYS[1], 1) return redis.call('INCR', KEYS[2])", 2, "of a script", "another")
        app.wait(1, 2000)
    before = {key: stand.master.to().get(key) for key in ("counter", "of a transaction", "of a script", "another")}
    assert (before["of a transaction"], before["of a script"]) == (None, "1")
    stand.set.kill()
    stand.set.start()
    stand.master = stand.set.settled()
    assert {key: stand.master.to().get(key) for key in before} == before


@pytest.mark.parametrize(
    ("settings", "arguments", "said"),
    [
        ({"SLIPWAY_BACKUP_KEEP": "none"}, ["backup"], "SLIPWAY_BACKUP_KEEP is 'none'"),
        ({"SLIPWAY_TARGETS_FILE": "/nowhere"}, ["backup"], "/nowhere names no target"),
        ({"SLIPWAY_BACKUP_PREFIX": "another/redis"}, ["restore"], "there is no backup"),
        ({}, ["restore", "--from=none"], "cannot read redis/test-redis/none.json: it is not there"),
    ],
)
def test_bad_input(stand: Stand, settings: dict[str, str], arguments: list[str], said: str) -> None:
    refused = stand.job(*arguments, **settings)
    assert refused.returncode in (1, 2)
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_sentinels_forget_what_there_is_no_longer(stand: Stand) -> None:
    [first, second], [sentinel] = stand.set.data, stand.set.sentinels
    if stand.set.settled() is second:
        assert second.ctl("handover", "--to=redis-0").returncode == 0
        stand.set.settled(master="redis-0")
    assert json.loads(sentinel.ctl("forget").stdout) == {"changed": False}
    second.kill()
    path = stand.set.home / "nodes.json"
    nodes = json.loads(path.read_text())
    path.write_text(json.dumps({**nodes, "data": nodes["data"][:1]}))
    assert json.loads(sentinel.ctl("forget").stdout) == {"changed": True}
    assert sentinel.to().execute_command("SENTINEL REPLICAS", "test-redis") == []
    assert stand.set.named() == first.name
