"""Redis and Sentinels under their agents, as processes on loopback: each node has an address, all the same ports.

with RedisSet(tmp_path) as redis_set:
    redis_set.start(SLIPWAY_BOOTSTRAP="true")
    master = redis_set.settled()
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ansible_collections.slipway.cloud.plugins.module_utils._redis_users import _DATA, _SENTINEL, acl
from tests.support.paths import CACHE, CHECKOUT, COLLECTIONS
from tests.support.redis import program
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

FILES = CHECKOUT / "roles" / "redis" / "files"
MASTER = "test-redis"
PORT, SENTINEL_PORT, AGENT_PORT = 6379, 26379, 9121
PASSWORDS = {"app": "of the \"app\" \\ 'user'", "agent": "agent-7Hq", "replica": "replica 7Hq", "sentinel": "sent#7Hq"}
CONFIGURATION = """\
appendonly yes
appendfsync {fsync}
aof-use-rdb-preamble yes
save ""
maxmemory-policy noeviction
min-replicas-to-write {acks}
min-replicas-max-lag 3
repl-backlog-size 64mb
repl-timeout 10
repl-ping-replica-period 1
repl-diskless-sync-delay 0
replica-serve-stale-data no
tcp-keepalive 60
shutdown-timeout 10
protected-mode no
"""
SENTINEL_CONFIGURATION = """\
sentinel deny-scripts-reconfig yes
sentinel resolve-hostnames no
protected-mode no
"""
_claims: list[socket.socket] = []


@cache
def interpreter() -> str:
    """Python with exactly what the image of Redis has."""
    venv = CACHE / "venv-redis"
    subprocess.run([CHECKOUT / "tools" / "venv", venv, FILES / "requirements.txt"], check=True)
    return str(venv / "bin" / "python")


def subnet() -> str:
    """The first three numbers of loopback addresses that no other process of the tests is given meanwhile."""
    while True:
        found = f"127.{random.randint(1, 200)}.{random.randint(1, 250)}"
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0slipway-test-subnet-{found}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return found


def client(ip: str, port: int, user: str, password: str, *, timeout: float = 2.0) -> redis.Redis:
    """A client that repeats nothing."""
    return redis.Redis(
        host=ip,
        port=port,
        username=user,
        password=password,
        protocol=2,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
    )


@dataclass
class Pod:
    """One node: its files, its agent, and the Redis or Sentinel that the agent has started."""

    kind: str  # data or sentinel
    name: str
    ip: str
    port: int
    home: Path
    environment: dict[str, str]
    passwords: Mapping[str, str] = field(repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)  # of this start alone

    @property
    def data(self) -> Path:
        """What would be its PVC."""
        return self.home / "data"

    @property
    def log(self) -> str:
        """What agent and child have said."""
        return (self.home / "log").read_text(errors="replace") if (self.home / "log").exists() else ""

    def start(self, **settings: str) -> None:
        """Start its agent, this time with these settings too, by their whole names."""
        self.settings = settings
        self.data.mkdir(exist_ok=True)
        command = ["setpriv", "--pdeathsig", "KILL", interpreter(), "-m", "slipway_redis", self.kind]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment | settings,
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The agent."""
        assert self.process
        return self.process.pid

    @property
    def child(self) -> int:
        """The Redis or Sentinel, 0 if none runs."""
        assert self.process
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as file:
            found = file.read().split()
        return int(found[0]) if found else 0

    def kill(self) -> None:
        """End agent and child at once, as a power cut does, and wait until both are gone."""
        if not self.process:
            return
        if self.process.poll() is None:
            child = self.child
            if child:
                os.kill(child, signal.SIGSTOP)  # so that it does nothing any more while it has lost its parent
            self.process.kill()
            self.process.wait()
            if child:
                eventually(lambda: not _runs(child), within=10, what=f"{self.name} is gone", every=0.01)
        self.process = None

    def terminate(self) -> None:
        """Ask the agent to end, as Kubernetes does."""
        assert self.process
        self.process.terminate()

    def ended(self, within: float = 60) -> int:
        """Wait for the agent's end; return its exit code."""
        assert self.process
        code = self.process.wait(within)
        self.process = None
        return code

    def to(self, user: str = "agent", *, timeout: float = 2.0) -> redis.Redis:
        """A client of the Redis or Sentinel itself."""
        return client(self.ip, self.port, user, self.passwords[user], timeout=timeout)

    def get(self, path: str) -> tuple[int, str]:
        """What the agent serves there; status 0 if nobody answers."""
        connection = http.client.HTTPConnection(self.ip, AGENT_PORT, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def state(self) -> dict[str, Any]:
        """What the agent says of its copy; {} if it does not answer."""
        text = self.get("/state")[1]
        return dict(json.loads(text)) if text else {}

    def noted(self) -> None:
        """Wait until its agent has written what is known of the copy: that may be a second old."""
        now = time.time()
        eventually(lambda: self.state()["state"]["at"] > now, within=10, what=f"{self.name} has noted it", every=0.05)

    def metrics(self) -> dict[str, float]:
        """Every sample by its name with labels."""
        rows = (line.rsplit(" ", 1) for line in self.get("/metrics")[1].splitlines() if line and line[0] != "#")
        return {name: float(value) for name, value in rows}

    def answers(self) -> None:
        """Wait until the agent does."""
        eventually(lambda: self.get("/healthz")[0] == 200, within=40, what=f"the agent of {self.name}", every=0.02)

    def ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def may_be_promoted(self) -> bool:
        return self.metrics().get("slipway_redis_promotable") == 1

    def role(self) -> str:
        """master, slave, or "" if no Redis answers."""
        try:
            return str(self.to(timeout=1).role()[0])
        except (redis.RedisError, OSError):
            return ""

    def ctl(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run ctl in this pod."""
        command = [interpreter(), "-m", "slipway_redis", "ctl", *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=timeout, check=False
        )


class RedisSet:
    """Some data nodes and Sentinels. What is started is ended with it."""

    def __init__(
        self, home: Path, *, data: int = 3, sentinels: int = 3, fsync: str = "always", **settings: str
    ) -> None:
        self.home = home
        self.subnet = subnet()
        self.passwords = dict(PASSWORDS)  # which the tests use
        self._write_programs()
        self._write_files(data, sentinels, fsync)
        shared = self._environment() | settings
        self.data = [self._pod("data", n, f"{self.subnet}.{10 + n}", PORT, shared) for n in range(data)]
        self.sentinels = [
            self._pod("sentinel", n, f"{self.subnet}.{20 + n}", SENTINEL_PORT, shared) for n in range(sentinels)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pod in self.pods:
            pod.kill()
            print(f"----- {pod.name}\n{pod.log[-4000:]}")

    @property
    def pods(self) -> list[Pod]:
        return [*self.data, *self.sentinels]

    def start(self, pods: Iterable[Pod] | None = None, **settings: str) -> None:
        """Start nodes, all unless some are named."""
        for pod in self.pods if pods is None else pods:
            pod.start(**settings)

    def kill(self, pods: Iterable[Pod] | None = None) -> None:
        """Cut the power of nodes."""
        for pod in self.pods if pods is None else pods:
            pod.kill()

    def without(self, pod: Pod) -> list[Pod]:
        """Return all nodes but one."""
        return [each for each in self.pods if each is not pod]

    def as_new(self) -> Self:
        """Have all run with no settings but their own, the first data node as master, and nothing counted yet."""
        for pod in self.pods:
            if not pod.running or pod.settings:
                pod.kill()
                pod.start()
        master = self.settled()
        if master is not self.data[0]:
            answer = master.ctl("handover", "--to", self.data[0].name)
            assert answer.returncode == 0, answer.stderr
            self.settled(master=self.data[0].name)
        for pod in self.data:
            pod.to().config_resetstat()
        return self

    def named(self) -> str:
        """The name of the master that a majority of all Sentinels names, "" if none."""
        answers = Counter(filter(None, (self._answer(each) for each in self.sentinels)))
        name, count = answers.most_common(1)[0] if answers else ("", 0)
        return name if count > len(self.sentinels) // 2 else ""

    def masters(self) -> list[Pod]:
        """The nodes that are master."""
        return [each for each in self.data if each.role() == "master"]

    def settled(self, *, within: float = 60, master: str = "", pods: Sequence[Pod] | None = None) -> Pod:
        """Wait until all (or these) are ready, one is the master and the others may take its place; return it."""
        pods = self.pods if pods is None else pods

        def look() -> Pod | None:
            not_ready = [each.name for each in pods if not each.ready()]
            assert not not_ready, f"not ready: {not_ready}"
            masters, name = self.masters(), self.named()
            assert [each.name for each in masters] == [name], f"{[each.name for each in masters]}, named {name!r}"
            assert not master or name == master, f"{name} is master"
            barred = [
                each.name for each in pods if each.kind == "data" and each.name != name and not each.may_be_promoted()
            ]
            assert not barred, f"may not be promoted: {barred}"
            return masters[0]

        found = eventually(look, within=within, what="the set has settled", every=0.1)
        assert found
        return found

    def _answer(self, sentinel: Pod) -> str:
        try:
            found: Any = sentinel.to(timeout=0.5).sentinel_get_master_addr_by_name(MASTER)
        except (redis.RedisError, OSError):
            return ""
        return next((each.name for each in self.data if found and each.ip == found[0]), "")

    def _pod(self, kind: str, number: int, ip: str, port: int, shared: Mapping[str, str]) -> Pod:
        name = f"{'redis' if kind == 'data' else 'redis-sentinel'}-{number}"
        home = self.home / name
        for each in ("data", "tmp"):
            (home / each).mkdir(parents=True)
        own = {
            "SLIPWAY_POD": name,
            "SLIPWAY_DATA_DIR": str(home / "data"),
            "SLIPWAY_BIND": ip,
            "TMPDIR": str(home / "tmp"),
        }
        return Pod(kind, name, ip, port, home, {**shared, **own}, self.passwords)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": f"{FILES}:{COLLECTIONS}",
            "SLIPWAY_NAMESPACE": "test",
            "SLIPWAY_NODES_FILE": str(self.home / "nodes.json"),
            "SLIPWAY_SECRETS_DIR": str(self.home / "secrets"),
            "SLIPWAY_CONFIG_DIR": str(self.home / "config"),
            "SLIPWAY_PORT": str(AGENT_PORT),
            "SLIPWAY_COLD_START_WAIT": "120",
            "SLIPWAY_DOWN_AFTER": "2000",
            "SLIPWAY_FAILOVER_TIMEOUT": "5000",
        }

    def _write_programs(self) -> None:
        (self.home / "bin").mkdir(parents=True)
        for name in ("redis-server", "redis-sentinel"):
            path = self.home / "bin" / name
            command = " ".join(shlex.quote(str(each)) for each in program(name))
            path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            path.chmod(0o755)

    def _write_files(self, data: int, sentinels: int, fsync: str) -> None:
        nodes = {
            "master_name": MASTER,
            "quorum": sentinels // 2 + 1,
            "data": [{"name": f"redis-{n}", "ip": f"{self.subnet}.{10 + n}", "port": PORT} for n in range(data)],
            "sentinels": [
                {"name": f"redis-sentinel-{n}", "ip": f"{self.subnet}.{20 + n}", "port": SENTINEL_PORT}
                for n in range(sentinels)
            ],
        }
        (self.home / "nodes.json").write_text(json.dumps(nodes))
        (self.home / "config").mkdir()
        (self.home / "config/redis.conf").write_text(CONFIGURATION.format(acks=1 if data > 1 else 0, fsync=fsync))
        (self.home / "config/sentinel.conf").write_text(SENTINEL_CONFIGURATION)
        (self.home / "secrets").mkdir()
        self.write_secrets([PASSWORDS], version="1")

    def write_secrets(self, accepted: Sequence[Mapping[str, str]], *, version: str) -> None:
        """Write the users, with the passwords that are accepted of them, of which the first are used."""
        given = [{"probe": "probe-7Hq", **each} for each in accepted]
        files = {
            "users.acl": acl(_DATA, "app", given),
            "sentinel.acl": acl(_SENTINEL, "app", given),
            **{name: given[0][name] for name in ("agent", "replica", "sentinel")},
            "version": version,
        }
        for name, text in files.items():
            new = self.home / "secrets" / f".{name}"
            new.write_text(text)
            new.rename(self.home / "secrets" / name)


class Writers:
    """Clients of the Sentinels' master that count up, each its own key, and note what was acknowledged.

    An increment that got no answer may be there or not: the key then has at least what was acknowledged.
    """

    def __init__(self, redis_set: RedisSet, count: int = 4, *, acks: int = 0) -> None:
        self._set = redis_set
        self._acks = acks
        self.acknowledged = {f"w{number}": 0 for number in range(count)}
        self.attempted = dict(self.acknowledged)
        self.times: list[float] = []
        self.failures: list[str] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(key,), daemon=True) for key in self.acknowledged]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def longest_gap(self) -> float:
        """Seconds without any acknowledgement, between the first and the last."""
        with self._lock:
            times = sorted(self.times)
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)

    def reach(self, more: int, *, within: float = 30) -> None:
        """Wait until so many more writes are acknowledged."""
        before = sum(self.acknowledged.values())
        eventually(
            lambda: sum(self.acknowledged.values()) >= before + more, within=within, what=f"{more} writes", every=0.02
        )

    def lost(self, master: Pod) -> dict[str, tuple[int, int]]:
        """What was acknowledged and is not there, by key: (acknowledged, found)."""
        found = {key: int(master.to().get(key) or 0) for key in self.acknowledged}
        return {key: (count, found[key]) for key, count in self.acknowledged.items() if found[key] < count}

    def _write(self, key: str) -> None:
        while not self._stopping.is_set():
            name = self._set.named()
            pod = next((each for each in self._set.data if each.name == name), None)
            if pod is None:
                time.sleep(0.02)
                continue
            try:
                with pod.to("app", timeout=3) as connection:
                    while not self._stopping.is_set():
                        self._one(connection, key)
            except (redis.RedisError, OSError) as error:
                self.failures.append(str(error))
                time.sleep(0.02)

    def _one(self, connection: redis.Redis, key: str) -> None:
        self.attempted[key] += 1
        value = int(connection.incr(key))
        if self._acks and int(connection.wait(self._acks, 1000)) < self._acks:
            return
        self.acknowledged[key] = value
        with self._lock:
            self.times.append(time.monotonic())
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
