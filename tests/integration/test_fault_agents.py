"""The writers before Redis under its agents: what is planned, and what crashes, costs nothing that was acknowledged.

They write by transactions, which a Redis drops at its start if its user `default` may do nothing.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults import checker
from tests.faults.history import acked
from tests.faults.writer import Plan
from tests.support.redis_set import MASTER
from tests.support.writing import AWARE, UNSURE, Writing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.redis_set import Pod, RedisSet


@pytest.fixture
def writers(three: RedisSet, tmp_path: Path) -> Writing:
    secret = tmp_path / "secret"
    secret.mkdir()
    for name, value in {"username": "app", "password": three.passwords["app"]}.items():
        (secret / name).write_text(value)
    sentinels = tuple(f"{each.ip}:{each.port}" for each in three.sentinels)
    return Writing(Plan(tmp_path.name, MASTER, sentinels, (AWARE, UNSURE), listen=True), tmp_path / "writers", secret)


def master(three: RedisSet) -> Pod:
    name = three.named()
    return next(each for each in three.data if each.name == name)


def out(writers: Writing) -> float:
    """Seconds without an acknowledged write."""
    ops = writers.history.of("aware").ops
    return checker.outage(ops, ops[0].began, acked(ops)[-1].ended).seconds


def test_a_master_that_stops_hands_over(three: RedisSet, writers: Writing) -> None:
    old = master(three)
    with writers.going_on():
        writers.write("aware", 200)
        old.terminate()
        assert old.ended() == 0
        old.start()
        writers.resumed("aware")
    three.settled()
    assert [writers.verdict(name).wrong for name in ("aware", "unsure")] == [{}, {}]
    assert out(writers) <= 3  # the bound of 1 s holds where nothing else runs: see the drills
    assert checker.failover(writers.history, 0, MASTER) is None  # nobody was taken for dead


def test_a_master_that_was_killed(three: RedisSet, writers: Writing) -> None:
    old = master(three)
    with writers.going_on():
        writers.write("aware", 200)
        old.kill()
        writers.resumed("aware")
        old.start()
        writers.resumed("aware")
    three.settled()
    assert writers.verdict("aware").wrong == {}


def test_control_fail_over_without_a_hand_over(three: RedisSet, writers: Writing) -> None:
    old = master(three)
    with writers.going_on():
        writers.write("aware", 200)
        os.kill(old.pid, signal.SIGSTOP)  # the agent, which would stop the writes
        since = time.time()
        three.sentinels[0].to().execute_command("SENTINEL", "FAILOVER", MASTER)
        writers.resumed("unsure")
        writers.resumed("aware")
        os.kill(old.pid, signal.SIGCONT)
    assert three.settled().name != old.name
    assert checker.switches(writers.history, since, MASTER) == 1
    assert writers.verdict("unsure").lost
