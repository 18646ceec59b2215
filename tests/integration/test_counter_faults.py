"""The counter while masters fail, are replaced, fall silent or lose their replicas: what it answers is stored, once."""

from __future__ import annotations

import signal
import threading
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.support.counter import Counter, Forward, Redis, Writers, a_redis
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.counter import Answer, Server

_numbers = count(1)
UNKNOWN, NOT_COUNTED = None, False


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with a_redis(tmp_path_factory.mktemp("redis") / "set") as redis:
        yield redis


@pytest.fixture
def redis(shared: Redis) -> Iterator[Redis]:
    """The same servers for all tests, well again after each."""
    yield shared
    shared.mend()


def counting(redis: Redis, **settings: str) -> Counter:
    """A counter of the test's own, which counts from 0."""
    name = f"counter-{next(_numbers)}"
    return Counter(redis.home / name, {**redis.settings, "COUNTER_KEY": name, **settings})


def final(counter: Counter) -> int:
    return eventually(counter.get, within=20, what="the count").count


def replayed(counter: Counter, writers: Writers) -> list[str]:
    """The keys that are answered otherwise than they were."""
    keyed = [each for each in writers.counted if each.key]
    assert keyed
    return [each.key for each in keyed if counter.post(each.key).count != each.answer.count]


def test_a_hand_over_refuses_nothing(redis: Redis) -> None:
    with counting(redis) as counter:
        with Writers(counter) as writers:
            redis.hand_over()
            writers.more(100)
        assert writers.refused == []
        writers.check(final(counter))
        assert replayed(counter, writers) == []
        assert counter.metrics()["slipway_counter_switches_total"] == 2  # the first master it heard of, and this one


def test_a_master_that_is_killed_takes_nothing_along(redis: Redis) -> None:
    with counting(redis) as counter:
        with Writers(counter) as writers:
            redis.master.kill()
            writers.more(100)
        writers.check(final(counter))
        assert writers.outage < 10  # of which Sentinels here wait one before they take it for dead
        assert {each.answer.json["code"] for each in writers.refused} <= {"UNANSWERED", "NOT_SENT", "NOREPLICAS"}
        assert replayed(counter, writers) == []


def test_a_master_that_falls_silent(redis: Redis) -> None:
    with counting(redis, COUNTER_PATIENCE="0") as counter:
        first(counter)
        with Writers(counter) as writers:
            silent = redis.master
            silent.send(signal.SIGSTOP)
            redis.await_another(silent)
            silent.send(signal.SIGCONT)
            writers.more(100)
        writers.check(final(counter))
        assert replayed(counter, writers) == []
        unknown = [each.key for each in writers.refused if each.key and each.answer.json["counted"] is UNKNOWN]
        assert unknown
        before = final(counter)
        counts = [counter.post(key).count for key in unknown]
        assert [counter.post(key).count for key in unknown] == counts
        assert final(counter) == max(before, *counts)


def test_what_no_replica_has_is_not_answered(redis: Redis) -> None:
    with counting(redis, COUNTER_WAIT_MS="200", COUNTER_PATIENCE="0") as counter:
        before = first(counter)
        replicas = redis.replicas
        for each in replicas:
            each.send(signal.SIGSTOP)
        answers = [counter.post("mine"), counter.post("mine")]  # the second finds what the first has left
        assert [(each.status, each.json["code"], each.json["counted"]) for each in answers] == [
            (503, "TOO_FEW", UNKNOWN),
            (503, "TOO_FEW", UNKNOWN),
        ]
        assert answers[0].headers["retry-after"] == "1"
        eventually(
            lambda: refused_for(counter.post("late"), "NOREPLICAS", counted=NOT_COUNTED),
            within=10,
            what="a master that takes no writes",
        )
        for each in replicas:
            each.send(signal.SIGCONT)
        answer = eventually(lambda: good(counter.post("mine")), within=20, what="a master with replicas")
        assert answer.count == before + 1
        assert counter.get().count >= before + 1


def first(counter: Counter) -> int:
    """Count one, as soon as the counter knows the master."""
    return eventually(lambda: good(counter.post()), within=10, what="a first count").count


def refused_for(answer: Answer, code: str, *, counted: bool | None) -> bool:
    return answer.status == 503 and (answer.json["code"], answer.json["counted"]) == (code, counted)


def good(answer: Answer) -> Answer:
    assert answer.status == 200, answer
    return answer


def test_without_waiting_a_count_of_the_master_alone_is_answered(redis: Redis) -> None:
    with counting(redis, COUNTER_WAIT_REPLICAS="0") as counter:
        before = counter.post().count
        for each in redis.replicas:
            each.send(signal.SIGSTOP)
        assert counter.post().count == before + 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_who_is_patient_notices_nothing(redis: Redis, number: signal.Signals) -> None:
    with counting(redis, COUNTER_PATIENCE="20") as counter:
        with Writers(counter) as writers:
            lost = redis.master
            lost.send(number)
            redis.await_another(lost)
            writers.more(100)
        assert writers.refused == []
        assert len(writers.counted) == final(counter)
        assert replayed(counter, writers) == []
        assert all("idempotency-replayed" not in each.answer.headers for each in writers.counted)


def test_before_there_is_any_master(redis: Redis) -> None:
    for each in redis.sentinels[1:]:
        each.kill()
    with counting(redis, COUNTER_PATIENCE="0.3") as counter:  # one Sentinel of three is no majority
        answers = [counter.post(), counter.get(), counter.get("/", Accept="text/html")]
        assert [each.status for each in answers] == [503, 503, 503]
        assert answers[0].json == {"error": "Redis cannot be reached", "counted": False, "code": "NOT_SENT"}
        assert "the count is not known now" in answers[2].body
        assert counter.told("/readyz").status == 200  # which it would be no sooner by being taken out of the Service
        assert counter.told("/healthz").status == 200
        redis.sentinels[1].start()
        eventually(lambda: good(counter.post()), within=10, what="a majority")


def test_sentinels_that_are_gone_stop_nobody_who_knows_the_master(redis: Redis) -> None:
    with counting(redis) as counter:
        counter.post()
        for each in redis.sentinels:
            each.kill()
        eventually(lambda: counter.metrics()["slipway_counter_sentinels"] == 0, within=10, what="no Sentinels")
        before = counter.get().count
        assert [counter.post().count for _ in range(20)] == [before + number for number in range(1, 21)]


def test_sentinels_that_are_named_later(redis: Redis) -> None:
    listed = (redis.home / "nodes.json").read_text()
    (redis.home / "nodes.json").write_text("{")
    with counting(redis, COUNTER_PATIENCE="0") as counter:
        assert counter.post().status == 503
        (redis.home / "nodes.json").write_text(listed)
        eventually(lambda: good(counter.post()), within=10, what="Sentinels")
        warned = [line["message"] for line in counter.logged("warning")]
        assert any("nodes.json cannot be used" in line for line in warned)
        assert counter.logged("error") == []


def test_through_an_address_that_follows_the_master(redis: Redis) -> None:
    with closing(Forward(redis.master.port)) as forward:
        settings = {"COUNTER_NODES_FILE": "", "COUNTER_REDIS": f"127.0.0.1:{forward.port}"}
        with counting(redis, **settings) as counter:
            with Writers(counter) as writers:
                forward.target = redis.hand_over().port
                writers.more(100)
                lost = redis.master
                lost.send(signal.SIGSTOP)  # connections to it stay, as they do when a node has lost its power
                forward.target = redis.await_another(lost).port
                writers.more(100)
            writers.check(final(counter))
            assert replayed(counter, writers) == []


def test_a_stop_while_the_master_is_silent_ends(redis: Redis) -> None:
    with counting(redis, COUNTER_TIMEOUT="1", COUNTER_PATIENCE="1") as counter:
        counter.post()
        silent: Server = redis.master
        silent.send(signal.SIGSTOP)
        answers: list[Answer] = []
        asking = threading.Thread(target=lambda: answers.append(counter.post()))
        asking.start()
        eventually(counter.connections, within=5, what="a request under way", every=0.01)
        counter.send(signal.SIGTERM)
        assert counter.process
        assert counter.process.wait(15) == 0
        asking.join()
        assert [each.status for each in answers] in ([503], [200])  # by the next master, if that was there in time
