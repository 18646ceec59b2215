"""A master that has to stop hands over: no acknowledged write is lost, and clients hardly notice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.redis_set import RedisSet, Writers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.redis_set import Pod


@pytest.fixture
def three(tmp_path: Path) -> Iterator[RedisSet]:
    """A set that runs."""
    with RedisSet(tmp_path / "set") as redis_set:
        redis_set.start(SLIPWAY_BOOTSTRAP="true")
        redis_set.settled()
        yield redis_set


def others(redis_set: RedisSet, pod: Pod) -> list[Pod]:
    return [each for each in redis_set.pods if each is not pod]


def test_stopping_the_master_again_and_again_loses_nothing(three: RedisSet) -> None:
    master = three.data[0]
    with Writers(three) as writers:
        for _ in range(3):
            writers.reach(100)
            master.terminate()
            assert master.ended() == 0
            assert '"Handed over"' in master.log
            new = three.settled(pods=others(three, master))
            writers.reach(100)
            master.start()
            three.settled(master=new.name)
            master = new
    assert not writers.lost(master)
    paused = [line for pod in three.data for line in pod.log.splitlines() if '"Handed over"' in line]
    print("paused:", [json.loads(line)["paused"] for line in paused], f"gap: {writers.longest_gap:.2f} s")
