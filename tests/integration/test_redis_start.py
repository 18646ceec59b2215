"""How a set of Redis starts: new, again, in any order, with copies that are missing, stale or empty."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.redis_set import RedisSet, Writers
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def new(tmp_path: Path) -> Iterator[RedisSet]:
    """Three data nodes and three Sentinels, of which none has started."""
    with RedisSet(tmp_path / "set") as redis_set:
        yield redis_set


@pytest.fixture
def three(new: RedisSet) -> RedisSet:
    """A set that runs."""
    new.start(SLIPWAY_BOOTSTRAP="true")
    new.settled()
    for pod in new.pods:
        pod.environment.pop("SLIPWAY_BOOTSTRAP")
    return new


def test_one_node_is_a_set_too(tmp_path: Path) -> None:
    with RedisSet(tmp_path / "set", data=1, sentinels=1) as alone:
        alone.start(SLIPWAY_BOOTSTRAP="true")
        master = alone.settled()
        assert master.to("app").incr("counter") == 1
        alone.kill()
        alone.start(SLIPWAY_BOOTSTRAP="false")
        assert alone.settled().to("app").incr("counter") == 2


def test_a_new_set_has_the_first_as_its_master(three: RedisSet) -> None:
    assert three.named() == "redis-0"
    with Writers(three, acks=1) as writers:
        writers.reach(200)
    assert not writers.lost(three.data[0])
    assert [each.metrics()["slipway_redis_promotable"] for each in three.data] == [0, 1, 1]


def test_a_set_without_data_is_no_new_one_unless_that_is_said(new: RedisSet) -> None:
    new.start(SLIPWAY_COLD_START_WAIT="3")
    said = eventually(lambda: new.data[1].state().get("blocked"), within=15, what="blocked")
    assert "redis_force_master: redis-0" in said
    assert {each.get("/healthz")[0] for each in new.data} == {200}
    assert not any(each.ready() for each in new.pods)
    assert new.data[0].metrics()["slipway_redis_cold_start_blocked"] == 1
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


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=lambda order: "".join(map(str, order)))
def test_any_order_of_start_keeps_the_last_value(three: RedisSet, order: tuple[int, ...]) -> None:
    """The last master is neither the first pod nor the first to start in most of them; one copy is stale."""
    three.data[0].kill()
    last = three.settled(pods=[*three.data[1:], *three.sentinels])
    with Writers(three, acks=1) as writers:
        writers.reach(300)
        three.kill()
    three.start(three.sentinels)
    for number in order:
        three.data[number].start()
        eventually(lambda number=number: three.data[number].get("/healthz")[0], within=15, what="the agent answers")
    master = three.settled()
    assert master.name == last.name
    assert not writers.lost(master)
