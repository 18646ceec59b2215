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
