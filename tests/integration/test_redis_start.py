"""How a set of Redis starts: new, again, in any order, with copies that are missing, stale or empty."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
import redis

from tests.support.redis_set import RedisSet, Writers
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.redis_set import Pod


@pytest.fixture
def new(tmp_path: Path) -> Iterator[RedisSet]:
    """Three data nodes and three Sentinels, of which none has started."""
    with RedisSet(tmp_path / "set") as redis_set:
        yield redis_set


def test_one_node_is_a_set_too(tmp_path: Path) -> None:
    with RedisSet(tmp_path / "set", data=1, sentinels=1) as alone:
        alone.start(SLIPWAY_BOOTSTRAP="true")
        master = alone.settled()
        assert master.to("app").incr("counter") == 1
        alone.kill()
        alone.start()
        assert alone.settled().to("app").incr("counter") == 2


def test_a_new_set_has_the_first_as_its_master(standing: RedisSet) -> None:
    assert standing.named() == "redis-0"
    with Writers(standing, acks=1) as writers:
        writers.reach(200)
    assert not writers.lost(standing.data[0])
    assert [each.metrics()["slipway_redis_promotable"] for each in standing.data] == [0, 1, 1]


def test_a_set_without_data_is_no_new_one_unless_that_is_said(new: RedisSet) -> None:
    new.start(SLIPWAY_COLD_START_WAIT="3")
    said = eventually(lambda: str(new.data[1].state().get("blocked", "")), within=40, what="blocked")
    assert "force_master=redis-0" in said
    assert {each.get("/healthz")[0] for each in new.data} == {200}
    assert not any(each.ready() for each in new.pods)
    blocked = "slipway_redis_cold_start_blocked"
    eventually(lambda: new.data[0].metrics().get(blocked) == 1, within=10, what="the metric says so")
    new.kill(new.data)
    new.start(new.data, SLIPWAY_FORCE_MASTER="redis-2")
    new.settled(master="redis-2")


def test_a_killed_master_is_replaced(three: RedisSet) -> None:
    with Writers(three, acks=1) as writers:
        writers.reach(200)
        three.data[0].kill()
        new = three.settled(pods=[*three.data[1:], *three.sentinels])
        writers.reach(200)
    assert new.name != "redis-0"
    assert not writers.lost(new)
    three.data[0].start()
    three.settled(master=new.name)
    print(f"gap: {writers.longest_gap:.1f} s")


def test_any_order_of_start_keeps_the_last_value(three: RedisSet) -> None:
    """Everything is cut at once and started in all six orders; each time one copy is stale, and who was last varies."""
    for order in itertools.permutations(three.data):
        stale = three.settled()
        stale.kill()
        last = three.settled(pods=three.without(stale))
        with Writers(three, acks=1) as writers:
            writers.reach(100)
            three.kill()
        three.start(three.sentinels)
        for pod in order:
            pod.start()
            pod.answers()
        assert three.settled().name == last.name
        assert not writers.lost(last)


def test_a_master_that_comes_back_empty_at_once_wipes_nobody(three: RedisSet) -> None:
    """Its disk is lost, and it is back before the Sentinels have noticed anything."""
    with Writers(three, acks=1) as writers:
        writers.reach(200)
        three.data[0].kill()
        shutil.rmtree(three.data[0].data)
        three.data[0].start()
        new = three.settled()
        writers.reach(100)
    assert new.name != "redis-0"
    assert not writers.lost(new)
    # A master sends a new replica what follows the copy only from its next report on, up to a second later.
    eventually(lambda: not writers.lost(three.data[0]), within=5, what="the empty one has everything again")


def test_the_named_master_with_an_empty_disk_leaves_it_to_the_best_copy(three: RedisSet) -> None:
    """All stopped, the master's disk lost: nobody runs from whom the Sentinels could choose."""
    three.data[2].kill()
    with Writers(three, acks=1) as writers:
        writers.reach(200)
        three.data[1].noted()
        three.kill()
    shutil.rmtree(three.data[0].data)
    three.start()
    new = three.settled()
    assert new.name == "redis-1"
    assert not writers.lost(new)


def test_a_lost_master_is_replaced_by_the_best_copy_after_the_wait(three: RedisSet) -> None:
    three.data[2].kill()
    with Writers(three, acks=1) as writers:
        writers.reach(200)
        three.data[1].noted()
        three.kill()
    rest = three.without(three.data[0])
    three.start(rest, SLIPWAY_COLD_START_WAIT="10")
    with pytest.raises(AssertionError):
        three.settled(pods=rest, within=8)
    new = three.settled(pods=rest, within=60)
    assert new.name == "redis-1"
    assert not writers.lost(new)


def test_sentinels_that_have_lost_everything_learn_from_the_data_nodes(three: RedisSet) -> None:
    with Writers(three, acks=1) as writers:
        three.data[0].kill()
        last = three.settled(pods=three.without(three.data[0]))
        three.data[0].start()
        three.settled()
        epoch = last.state()["state"]["epoch"]
        writers.reach(100)
        three.kill(three.sentinels)
        for sentinel in three.sentinels:
            shutil.rmtree(sentinel.data)
        three.start(three.sentinels)
        three.settled(master=last.name)
        writers.reach(100)
        three.kill()
    for sentinel in three.sentinels:
        shutil.rmtree(sentinel.data)
    three.start()
    three.settled(master=last.name)
    assert not writers.lost(last)
    assert epoch >= 1
    assert last.state()["state"]["epoch"] == epoch


def test_a_redis_that_dies_alone_goes_on_with_all_it_had(tmp_path: Path) -> None:
    """appendfsync always: no write is lost, acknowledged by a replica or not, and nobody fails over."""
    with RedisSet(tmp_path / "set", SLIPWAY_DOWN_AFTER="15000") as three:
        three.start(SLIPWAY_BOOTSTRAP="true")
        three.settled()
        with Writers(three) as writers:
            writers.reach(100)
            os.kill(three.data[0].child, signal.SIGKILL)
            writers.reach(100)
        assert three.settled().name == "redis-0"
        assert not writers.lost(three.data[0])
        assert three.data[0].state()["state"]["life"] == 1
        assert '"Takes writes"' in three.data[0].log
        print(f"gap: {writers.longest_gap:.1f} s")


def test_a_redis_that_dies_and_may_lack_something_leaves_it_to_a_replica(tmp_path: Path) -> None:
    """appendfsync everysec: writes may have been in its memory alone, and in that of its replicas."""
    with RedisSet(tmp_path / "set", fsync="everysec") as three:
        three.start(SLIPWAY_BOOTSTRAP="true")
        three.settled()
        with Writers(three, acks=1) as writers:
            writers.reach(100)
            os.kill(three.data[0].child, signal.SIGKILL)
            new = three.settled()
            writers.reach(100)
        assert new.name != "redis-0"
        assert not writers.lost(new)
        print(f"gap: {writers.longest_gap:.1f} s")


def test_a_master_that_was_stopped_steps_down_as_soon_as_it_goes_on(three: RedisSet) -> None:
    """SIGSTOP of Redis and agent: while it sleeps another is promoted."""
    old = three.data[0]
    with Writers(three, acks=1) as writers:
        writers.reach(100)
        pids = [old.child, old.pid]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        new = three.settled(pods=three.without(old))
        writers.reach(100)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        eventually(lambda: old.role() == "slave", within=4, what="it has stepped down", every=0.05)
        three.settled(master=new.name)
    assert not writers.lost(new)


def test_a_master_that_was_alone_takes_writes_when_the_sentinels_name_it_again(three: RedisSet) -> None:
    """Not as soon as a replica is back: for all that it knows there is another master, as after a partition."""
    old, replica, other = three.data
    life = old.state()["state"]["life"]
    three.kill([other, *three.sentinels])
    os.kill(replica.child, signal.SIGSTOP)
    eventually(lambda: _needs(old) > len(three.data), within=15, what="it takes no writes", every=0.05)
    os.kill(replica.child, signal.SIGCONT)
    eventually(lambda: int(old.to().info()["min_slaves_good_slaves"]) == 1, within=5, what="a replica", every=0.02)
    with old.to("app") as connection, pytest.raises(redis.ResponseError, match="NOREPLICAS"):
        connection.incr("counter")
    three.start([other, *three.sentinels])
    three.settled(master=old.name)
    with old.to("app") as connection:
        connection.incr("counter")
    assert old.state()["state"]["life"] == life  # its offsets have gone on


def _needs(master: Pod) -> int:
    """The replicas without which it takes no writes."""
    return int(master.to().config_get("min-replicas-to-write")["min-replicas-to-write"] or 0)


def test_a_start_by_the_first_pod_loses_what_a_safe_one_keeps(three: RedisSet) -> None:
    """The negative control of the tests above: the first pod's copy is stale, and it is master all the same."""
    three.data[0].kill()
    three.settled(pods=three.without(three.data[0]))
    with Writers(three, acks=1) as writers:
        writers.reach(100)
        three.kill()
    three.start(three.data, SLIPWAY_START="first")
    eventually(lambda: three.data[0].role() == "master", within=20, what="the first is master")
    assert writers.lost(three.data[0])
