"""The playbook that changes passwords, under load: real nodes, real Secrets, and a kubectl that runs commands here."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.support.ansible import Run, module, playbook
from tests.support.kubernetes import succeed
from tests.support.paths import CHECKOUT, COLLECTIONS, VENV_BIN
from tests.support.redis_kubectl import give, held
from tests.support.redis_set import RedisSet, client, interpreter
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.api_server import ApiServer
    from tests.support.redis_set import Pod

MINE = "rotated by hand, not made up"


@dataclass(eq=False)
class Writer(threading.Thread):
    """Counts up on one connection, and opens another with the password of its file when that has changed."""

    master: Pod
    file: Path
    acknowledged: int = 0
    connections: int = 0
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.is_set():
            password = self.file.read_text()
            with client(self.master.ip, self.master.port, "app", password, timeout=10) as connection:
                self.connections += 1
                while not self.ending.is_set() and self.file.read_text() == password:
                    self.count(connection)

    def count(self, connection: redis.Redis) -> None:
        try:
            connection.incr(f"written by {self.name}")
            self.acknowledged += 1
        except redis.RedisError as error:
            self.failures.append(repr(error))
        time.sleep(0.005)


@dataclass
class Stand:
    """A set whose users are those of Secrets of an API server."""

    home: Path
    namespace: str
    kubeconfig: Path
    set: RedisSet

    def write(self) -> None:
        """Write down what the stand-in for kubectl is to know, and give the pods their passwords."""
        stand = {
            "python": interpreter(),
            "cwd": str(CHECKOUT),
            "pods": {pod.name: pod.environment for pod in self.set.pods},
            "secrets": str(self.set.home / "secrets"),
            "writers": str(self.home / "writers"),
            "fails_once": str(self.home / "fails-once"),
            "kubeconfig": str(self.kubeconfig),
            "namespace": self.namespace,
        }
        (self.home / "stand.json").write_text(json.dumps(stand))
        give(self.held("redis-acl"), self.set.home / "secrets")
        give({"password": self.held("redis")["password"]}, self.home / "writers")

    def held(self, name: str) -> dict[str, str]:
        return held({"kubeconfig": self.kubeconfig, "namespace": self.namespace}, name)

    def rotate(self, **variables: Any) -> Run:
        """Run the playbook that this is about."""
        return self.play("rotate_redis_password", **variables)

    def play(self, name: str, **variables: Any) -> Run:
        """Run a playbook."""
        given = {
            "site_kubeconfig": str(self.kubeconfig),
            "redis_enabled": True,
            "redis_namespace": self.namespace,
            "redis_replicas": 2,
            "redis_sentinel_replicas": 1,
            "redis_clients": [{"kind": "deployment", "name": "writers"}],
            "_redis_kubectl": [
                "env",
                f"PYTHONPATH={CHECKOUT}:{COLLECTIONS}",
                str(VENV_BIN / "python"),
                "-m",
                "tests.support.redis_kubectl",
                str(self.home / "stand.json"),
            ],
            **variables,
        }
        return playbook(name, given, inventory="existing", timeout=200)

    def lets_in(self, pod: Pod, user: str, password: str) -> bool:
        try:
            with client(pod.ip, pod.port, user, password) as connection:
                return bool(connection.ping())
        except redis.AuthenticationError:
            return False


@pytest.fixture
def stand(api: ApiServer, namespace: str, kubeconfig: Path, tmp_path: Path) -> Iterator[Stand]:
    assert api.has(f"/api/v1/namespaces/{namespace}")
    made = module("redis_users", {"namespace": namespace, "user": "app"}, kubeconfig=kubeconfig)
    assert made.code == 0, made.output
    with RedisSet(tmp_path / "set", data=2, sentinels=1) as redis_set:
        stand = Stand(tmp_path, namespace, kubeconfig, redis_set)
        stand.write()
        redis_set.passwords |= {**stand.held("redis-acl"), "app": stand.held("redis")["password"]}
        redis_set.start(SLIPWAY_BOOTSTRAP="true")
        yield stand


def test_under_load_and_interrupted(stand: Stand) -> None:
    old = {**stand.held("redis-acl"), "app": stand.held("redis")["password"]}
    master = stand.set.settled()
    writers = [Writer(master, stand.home / "writers/password") for _ in range(4)]
    for writer in writers:
        writer.start()

    (stand.home / "fails-once").touch()
    broken_off = stand.rotate()
    assert broken_off.code != 0
    assert "interrupted, as the test wants it" in broken_off.output, broken_off.output
    assert stand.lets_in(master, "app", old["app"])

    answer = succeed(stand.rotate())
    new = {**stand.held("redis-acl"), "app": stand.held("redis")["password"]}
    eventually(lambda: min(each.connections for each in writers) == 2, within=10, what="all writers have the new one")
    for writer in writers:
        writer.ending.set()
        writer.join()

    assert [each.failures for each in writers] == [[]] * 4
    assert min(each.acknowledged for each in writers) > 100
    ways = [(pod, user) for pod in stand.set.pods for user in ("app", "agent", "sentinel")]
    assert [(pod.name, user) for pod, user in ways if not stand.lets_in(pod, user, new[user])] == []
    assert [(pod.name, user) for pod, user in ways if stand.lets_in(pod, user, old[user])] == []
    for text in [*broken_off.output.splitlines(), *answer.output.splitlines()]:
        assert not [name for name in ("app", "agent", "sentinel", "replica") if old[name] in text or new[name] in text]
    stand.set.passwords |= new
    assert stand.set.settled() is master
    with client(master.ip, master.port, "app", new["app"]) as connection:
        for writer in writers:
            assert int(connection.get(f"written by {writer.name}") or 0) == writer.acknowledged
        connection.set("after", 1)
        assert connection.wait(1, 2000) == 1  # the replica goes on by its new password

    forced = stand.play("force_redis_master", force_master=master.name)
    assert succeed(forced).changed == []  # it is the master already
    other = next(pod for pod in stand.set.data if pod is not master)
    refused = stand.play("force_redis_master", force_master=other.name)
    assert refused.code != 0
    assert f"ctl handover --to={other.name}" in " ".join(refused.output.split())

    given = succeed(stand.rotate(redis_password=MINE))
    assert MINE not in given.output
    assert stand.held("redis")["password"] == MINE
    assert succeed(stand.rotate(redis_password=MINE)).changed == []
