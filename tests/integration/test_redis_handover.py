"""A master that has to stop hands over: no acknowledged write is lost, and clients hardly notice."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time

import pytest
import redis
from slipway_redis import handover
from slipway_redis.links import Links
from slipway_redis.settings import from_environ

from tests.support.redis_set import Pod, RedisSet, Writers

ASKED = 1.0  # seconds after which an agent gives up to ask somebody


def test_stopping_the_master_again_and_again_loses_nothing(three: RedisSet) -> None:
    master = three.data[0]
    with Writers(three) as writers:
        for _ in range(3):
            writers.reach(100)
            master.terminate()
            assert master.ended() == 0
            assert '"Handed over"' in master.log
            new = three.settled(pods=three.without(master))
            assert not whole_copies(new)
            writers.reach(100)
            master.start()
            three.settled(master=new.name)
            master = new
    assert not writers.lost(master)
    print("paused:", [paused(pod) for pod in three.data], f"gap: {writers.longest_gap:.2f} s")


def paused(pod: Pod) -> list[float]:
    """The seconds for which it held writes back in each of its hand-overs."""
    return [json.loads(line)["paused"] for line in pod.log.splitlines() if '"Handed over"' in line]


def whole_copies(master: Pod) -> int:
    """How many replicas could not go on from what they had: such a one acknowledges nothing before it has all anew."""
    return int(master.to().info("stats")["sync_full"])


def test_an_operator_hands_over_to_whom_he_wants(three: RedisSet) -> None:
    with Writers(three) as writers:
        writers.reach(50)
        answer = three.data[0].ctl("handover", "--to", "redis-2")
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout)["master"] == "redis-2"
        three.settled(master="redis-2")
        writers.reach(50)
    assert not writers.lost(three.data[2])
    refused = three.data[0].ctl("handover")
    assert (refused.returncode, refused.stderr) == (1, "slipway_redis ctl: this node is no master\n")
    refused = three.data[2].ctl("handover", "--to", "redis-7")
    assert refused.returncode == 1
    assert "give one of redis-0, redis-1, redis-2" in refused.stderr
    status = json.loads(three.data[2].ctl("status").stdout)
    assert (status["role"], status["master"], status["kind"], status["blocked"]) == ("master", "redis-2", "data", "")
    status = json.loads(three.sentinels[0].ctl("status").stdout)
    assert (status["kind"], status["master"]) == ("sentinel", "redis-2")


def test_a_replica_that_does_not_answer_is_not_chosen(three: RedisSet) -> None:
    asleep = three.data[2]
    os.kill(asleep.child, signal.SIGSTOP)
    try:
        with Writers(three) as writers:
            writers.reach(50)
            three.data[0].terminate()
            assert three.data[0].ended() == 0
            new = three.settled(pods=[three.data[1]], master="redis-1")
            assert not whole_copies(new)
    finally:
        os.kill(asleep.child, signal.SIGCONT)
    assert not writers.lost(new)
    assert paused(three.data[0])[-1] < ASKED


def test_a_sentinel_that_does_not_answer_is_not_waited_for(three: RedisSet) -> None:
    """As when a node is drained, with a Sentinel and the master on it."""
    asleep = three.sentinels[0]
    os.kill(asleep.child, signal.SIGSTOP)
    try:
        done = three.data[0].ctl("handover", "--to", "redis-1")
    finally:
        asleep.kill()  # woken up it would be in TILT mode for a while
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["paused"] < ASKED


def test_a_moment_that_is_over_is_not_used(three: RedisSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that has all too late would be promoted just after the Sentinel has asked it who it is."""
    pauses = itertools.count()
    execute = redis.Redis.execute_command

    def executed(self: redis.Redis, *command: str) -> object:
        """Have the replica stand still for a while as soon as writes are held back for the first time."""
        if command[:2] == ("CLIENT", "PAUSE") and not next(pauses):
            os.kill(three.data[1].child, signal.SIGSTOP)
            threading.Timer(0.4, os.kill, (three.data[1].child, signal.SIGCONT)).start()
        return execute(self, *command)

    monkeypatch.setattr(redis.Redis, "execute_command", executed)
    done = handed_over(three.data[0], seconds=20)
    assert next(pauses) == 2
    assert done.paused < ASKED


def test_where_no_moment_is_calm_it_is_done_all_the_same(three: RedisSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_PROMPT", 0.0)
    with Writers(three) as writers:
        writers.reach(50)
        handed_over(three.data[0], seconds=5)
        writers.reach(50)
    assert not writers.lost(three.settled(master="redis-1"))


def handed_over(master: Pod, *, seconds: float) -> handover.Handover:
    """Have redis-1 take over, by the agent's code in this process."""
    settings = from_environ(master.environment, "data")
    cluster = settings.cluster()
    return handover.hand_over(Links(settings), cluster, cluster.named(master.name), seconds=seconds, to="redis-1")


@pytest.mark.parametrize("gone", ["replicas", "sentinels"])
def test_who_cannot_hand_over_ends_all_the_same_and_keeps_all(three: RedisSet, gone: str) -> None:
    with Writers(three) as writers:
        writers.reach(50)
        three.kill(three.data[1:] if gone == "replicas" else three.sentinels)
        three.data[0].terminate()
        assert three.data[0].ended(60) == 0
    assert '"No hand-over: ' in three.data[0].log
    three.start([each for each in three.pods if not each.running])
    assert not writers.lost(three.settled())


def test_without_hand_over_clients_wait_for_a_failover(three: RedisSet) -> None:
    """The negative control of the first test: its gap is the Sentinels' time, not ours."""
    three.data[0].kill()
    three.data[0].start(SLIPWAY_HANDOVER="false")
    master = three.settled()
    if master is not three.data[0]:
        assert master.ctl("handover", "--to", "redis-0").returncode == 0
        three.settled(master="redis-0")
    with Writers(three) as writers:
        writers.reach(50)
        began = time.monotonic()
        three.data[0].terminate()
        assert three.data[0].ended() == 0
        writers.reach(50)
        print(f"gap: {writers.longest_gap:.1f} s of {time.monotonic() - began:.1f} s")
    assert writers.longest_gap > 2
