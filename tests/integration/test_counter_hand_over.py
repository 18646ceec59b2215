"""The counter before Redis as it is deployed, under its agents: a master that stops is noticed by nobody who counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.counter import Counter, Writers
from tests.support.redis_set import PASSWORDS, RedisSet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def three(tmp_path: Path) -> Iterator[RedisSet]:
    """A set that runs."""
    with RedisSet(tmp_path / "set") as redis_set:
        redis_set.start(SLIPWAY_BOOTSTRAP="true")
        redis_set.settled()
        yield redis_set


def settings(redis_set: RedisSet) -> dict[str, str]:
    """What the counter is told of it, as the Secret redis and the ConfigMap redis-nodes do."""
    credentials = redis_set.home / "credentials"
    credentials.mkdir()
    (credentials / "username").write_text("app")
    (credentials / "password").write_text(PASSWORDS["app"])
    return {"COUNTER_NODES_FILE": str(redis_set.home / "nodes.json"), "COUNTER_CREDENTIALS_DIR": str(credentials)}


def test_no_request_fails_and_none_is_lost(three: RedisSet, tmp_path: Path) -> None:
    master = three.data[0]
    with Counter(tmp_path / "counter", settings(three)) as counter:
        with Writers(counter) as writers:
            for _ in range(2):
                master.terminate()
                assert master.ended() == 0
                new = three.settled(pods=three.without(master))
                writers.more(100)
                master.start()
                three.settled(master=new.name)
                master = new
        assert [each.answer for each in writers.refused] == []
        writers.check(counter.get().count)
        assert [
            each.key for each in writers.counted if each.key and counter.post(each.key).count != each.answer.count
        ] == []
        print(f"outage {writers.outage:.2f} s")
