"""The writers and the checker before real Redis: who does it right loses nothing, and each known mistake is found."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.faults import checker, pods, writer
from tests.faults.faults import rules, script, undone
from tests.faults.history import acked
from tests.faults.run import PROGRAM
from tests.faults.writer import Client, Plan
from tests.support.api_server import MERGE_PATCH
from tests.support.counter import MASTER, Counter, Redis, Server, a_redis
from tests.support.waiting import eventually
from tests.support.writing import AWARE, EARLY, UNSURE, Writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.api_server import ApiServer


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """One for all: whatever is done to it, it is whole again at the end of each test."""
    with a_redis(tmp_path_factory.mktemp("of") / "redis") as found:
        yield found


def writing(redis: Redis, home: Path, *clients: Client) -> Writing:
    """Writers of these clients."""
    sentinels = tuple(f"127.0.0.1:{each.port}" for each in redis.sentinels)
    return Writing(Plan(home.name, MASTER, sentinels, clients, listen=True), home / "writers", redis.credentials)


def pinned(server: Server) -> Client:
    return Client(f"at-{server.name}", "address", (f"127.0.0.1:{server.port}",), writers=1, rate=20.0, wait=0)


def test_a_master_that_is_stopped_and_goes_on(redis: Redis, tmp_path: Path) -> None:
    old = redis.master
    writers = writing(redis, tmp_path, AWARE, EARLY, *map(pinned, redis.nodes))
    with writers.going_on():
        writers.write("aware", 200)
        stopped = time.time()
        old.send(signal.SIGSTOP)
        writers.resumed("aware")
        eventually(
            lambda: time.time() > stopped + 4, within=10, what="its replicas to be silent for longer than its lag"
        )
        old.send(signal.SIGCONT)
        writers.resumed("aware")
    redis.settle()
    aware, early = writers.verdict("aware"), writers.verdict("early")
    assert aware.wrong == {}
    assert aware.acked > 300
    assert len(early.lost) >= EARLY.writers  # what each had on its way to the master
    assert set(early.wrong) <= {"lost", "backwards"}
    history = writers.history
    assert checker.switches(history, stopped, MASTER) == 1
    assert 0 < (checker.failover(history, stopped, MASTER) or 0) < 5
    ops = history.of("aware").ops
    assert checker.rate(ops) >= 200
    gap = checker.outage(ops, ops[0].began, acked(ops)[-1].ended)
    assert abs(gap.began - stopped) < 0.3
    assert 1 < gap.seconds < 8
    spans = [checker.accepting(history.of(pinned(each).name).ops) for each in redis.nodes]
    assert checker.together(spans) < 4
    assert sum(map(bool, spans)) == 2  # the old one, and the new one


def test_control_fail_over_without_a_hand_over(redis: Redis, tmp_path: Path) -> None:
    writers, old = writing(redis, tmp_path, AWARE, UNSURE), redis.master
    with writers.going_on():
        writers.write("unsure", 200)
        redis.sentinels[0].ask("SENTINEL", "FAILOVER", MASTER)
        redis.await_another(old)
        writers.resumed("unsure")
        writers.resumed("aware")
    redis.settle()
    assert writers.verdict("unsure").lost
    # Waiting is of no use here: the other replica acknowledges to the old master until it has to follow the new one.
    assert writers.verdict("aware").lost


def test_the_counter_behind_a_master_that_is_stopped(redis: Redis, tmp_path: Path) -> None:
    with Counter(tmp_path / "counter", redis.settings) as counter:
        address = f"127.0.0.1:{counter.port}"
        client = Client("counter", "counter", (address,), writers=4, rate=80.0)
        writers = Writing(Plan(tmp_path.name, clients=(client,)), tmp_path / "writers", redis.credentials)
        first, old = writer.counted(address), redis.master
        with writers.going_on():
            writers.write("counter", 100)
            old.send(signal.SIGSTOP)
            writers.resumed("counter")
            old.send(signal.SIGCONT)
            writers.resumed("counter")
        redis.settle()
        last = writer.counted(address)
        names = [op[:3] for op in acked(writers.history.ops)]
        replayed = {name: writer.posted(address, writer.key(tmp_path.name, *name)) for name in names}
        verdict = checker.judge_counts(writers.history, first, last, replayed)
        forged = checker.judge_counts(writers.history, first, last + 10_000, {**replayed, names[-1]: 0})
    assert verdict.wrong == {}
    assert verdict.acked > 150
    assert forged.wrong.keys() == {"lost", "surplus"}


def test_a_wrong_password_is_refused(redis: Redis, tmp_path: Path) -> None:
    for name, value in {"username": "app", "password": "another"}.items():
        (tmp_path / name).write_text(value)
    writers = replace(writing(redis, tmp_path, AWARE, pinned(redis.nodes[0])), secret=tmp_path)
    with writers.going_on():
        eventually(lambda: len(writers.history.ops) > 20, within=10, what="they try")
    assert {op.client: op.why for op in writers.history.ops} == {"aware": "no-majority", "at-redis-0": "WRONGPASS"}


def test_control_cold_start_by_a_copy_that_is_behind(redis: Redis, tmp_path: Path) -> None:
    behind = redis.replicas[0]
    others = [each for each in redis.nodes if each is not behind]
    writers = writing(redis, tmp_path, AWARE)
    with writers.going_on():
        writers.write("aware", 200)
        behind.kill()
        writers.write("aware", 200)
        for server in (*redis.sentinels, *others):
            server.kill()
    assert behind.file.read_text().count("replicaof") == 1
    for server in (behind, *others):
        own = server is behind
        lines = [line for line in server.file.read_text().splitlines() if not line.startswith("replicaof")]
        server.file.write_text("\n".join([*lines, *([] if own else [f"replicaof 127.0.0.1 {behind.port}"])]) + "\n")
        server.start()
    for sentinel in redis.sentinels:
        sentinel.file.write_text(_monitoring(sentinel.configuration, behind.port))
        sentinel.start()
    redis.settle()
    found = writers.verdict("aware")
    assert len(found.lost) >= 200
    assert set(found.wrong) == {"lost"}


def _monitoring(configuration: str, port: int) -> str:
    """The configuration of a Sentinel that looks after another master."""
    lines = configuration.splitlines()
    row = next(line for line in lines if line.startswith("sentinel monitor"))
    *first, _port, quorum = row.split()
    return "\n".join([" ".join([*first, str(port), quorum]) if line == row else line for line in lines])


def test_pods_are_accepted_where_pod_security_is_restricted(api: ApiServer, namespace: str) -> None:
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    api.request("PATCH", f"/api/v1/namespaces/{namespace}", label, content_type=MERGE_PATCH)
    template = {"containers": [{"image": "slipway.local/redis:0123456789ab", "imagePullPolicy": "IfNotPresent"}]}
    plans = {"t-node1": Plan("abc", MASTER, ("10.0.0.1:26379",), pods.usual("10.0.0.2:6379"), listen=True)}
    config, *made = pods.objects(namespace, template, plans, PROGRAM.read_text())
    api.request("POST", f"/api/v1/namespaces/{namespace}/configmaps?fieldValidation=Strict", config)
    for pod in made:
        api.request("POST", f"/api/v1/namespaces/{namespace}/pods?fieldValidation=Strict", pod)


def test_iptables_knows_the_rules() -> None:
    """In a network namespace of its own."""
    made = script(rules(["10.0.0.2/32", "10.1.0.0/24"], incoming=True, outgoing=True, loss="0.3"), "\n")
    left = "iptables --table mangle --list-rules | grep --count FAULT || true"
    answer = subprocess.run(
        ["unshare", "--net", "sh", "-ec", "\n".join([made, left, script(undone(), "\n"), left])],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout.split() == ["8", "0"]
