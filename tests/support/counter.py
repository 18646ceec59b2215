"""The counter as a child process, before a real master with replicas and Sentinels on loopback.

with a_redis(home) as redis, Counter(home / "counter", redis.settings) as counter:
    counter.post().count
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Self

import redis

from ansible_collections.slipway.cloud.plugins.module_utils import _redis_users as users
from tests.support.api_server import free_ports
from tests.support.paths import CHECKOUT, COLLECTIONS
from tests.support.redis import program
from tests.support.waiting import eventually

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILES = CHECKOUT / "roles" / "counter" / "files"
MASTER = "test-redis"
PASSWORD = 'a "quoted" $password, with spaces'
DOWN_AFTER = 1000  # milliseconds
_numbers = count(1)


@dataclass
class Server:
    """One redis-server, or redis-sentinel. ``agent`` is its password of the user who may do all."""

    name: str
    home: Path
    port: int
    configuration: str
    agent: str = field(repr=False)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True)
        self.file = self.home / "redis.conf"
        self.file.write_text(self.configuration)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it until it answers."""
        kind = "redis-sentinel" if "sentinel monitor" in self.configuration else "redis-server"
        command = ["setpriv", "--pdeathsig", "KILL", *program(kind, self.file)]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.home, stdout=log, stderr=log)
        eventually(self.answers, within=20, what=f"{self.name} answers", every=0.02)

    def answers(self) -> bool:
        """Whether it does."""
        assert self.process
        assert self.process.poll() is None, (self.home / "log").read_text()
        try:
            return bool(self.ask("PING"))
        except redis.exceptions.RedisError:
            return False

    def ask(self, *command: str | int) -> Any:
        """Have it run a command, as the agent may."""
        with redis.Redis(
            port=self.port, username="agent", password=self.agent, socket_timeout=5, decode_responses=True, protocol=2
        ) as client:
            return client.execute_command(*command)  # type: ignore[no-untyped-call, unused-ignore]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()


@dataclass
class Redis:
    """A master with replicas, and Sentinels."""

    home: Path
    nodes: list[Server]
    sentinels: list[Server]

    @property
    def credentials(self) -> Path:
        """What the Secret redis is in a pod."""
        return self.home / "credentials"

    @property
    def settings(self) -> dict[str, str]:
        """What the counter is told of it."""
        return {
            "COUNTER_NODES_FILE": str(self.home / "nodes.json"),
            "COUNTER_CREDENTIALS_DIR": str(self.credentials),
            "COUNTER_TIMEOUT": "2",
        }

    def named(self) -> str:
        """The name of the node that is master, as the first Sentinel that runs says."""
        sentinel = next(each for each in self.sentinels if each.process and each.process.poll() is None)
        _, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
        return next(each.name for each in self.nodes if each.port == int(port))

    @property
    def master(self) -> Server:
        """The node that is master."""
        name = self.named()
        return next(each for each in self.nodes if each.name == name)

    @property
    def replicas(self) -> list[Server]:
        """The nodes that are not."""
        master = self.master
        return [each for each in self.nodes if each is not master]

    def settle(self) -> None:
        """Wait until every replica follows the master, and the Sentinels know all of them and each other."""
        eventually(self._settled, within=30, what="replicas and Sentinels know each other", every=0.05)

    def _settled(self) -> bool:
        master = self.master
        role = master.ask("ROLE")
        if role[0] != "master" or len(role[2]) != len(self.nodes) - 1:
            return False
        wanted = {"num-slaves": len(self.nodes) - 1, "num-other-sentinels": len(self.sentinels) - 1}
        for sentinel in self.sentinels:
            known = sentinel.ask("SENTINEL", "MASTER", MASTER)
            known = known if isinstance(known, dict) else dict(zip(known[::2], known[1::2], strict=True))
            if any(int(known[name]) != number for name, number in wanted.items()):
                return False
        return True

    def fail_over(self) -> Server:
        """Have the Sentinels make another node the master, and wait until they name it."""
        before = self.named()
        self.sentinels[0].ask("SENTINEL", "FAILOVER", MASTER)
        eventually(lambda: self.named() != before, within=20, what="another master", every=0.02)
        return self.master


@contextmanager
def a_redis(home: Path, *, nodes: int = 3, sentinels: int = 3) -> Iterator[Redis]:
    """A master with replicas and Sentinels that have found each other."""
    home.mkdir(parents=True)
    secrets = users.settled(
        users.Held({}, {}, {}), user="app", given=PASSWORD, phase="keep", make=lambda: f"made-up-{next(_numbers):04}"
    )
    for name in ("users.acl", "sentinel.acl"):
        (home / name).write_text(secrets.internal[name])
    (home / "credentials").mkdir()
    for name, value in secrets.app.items():
        (home / "credentials" / name).write_text(value)
    ports = free_ports(nodes + sentinels)
    found = Redis(
        home,
        [_node(home, number, ports[:nodes], secrets.internal) for number in range(nodes)],
        [_sentinel(home, number, ports, nodes, secrets.internal) for number in range(sentinels)],
    )
    listed = [{"name": each.name, "ip": "127.0.0.1", "port": each.port} for each in found.sentinels]
    (home / "nodes.json").write_text(json.dumps({"master_name": MASTER, "sentinels": listed}))
    with ExitStack() as stack:
        for server in (*found.nodes, *found.sentinels):
            stack.callback(server.kill)
            server.start()
        found.settle()
        yield found


def _node(home: Path, number: int, ports: list[int], secrets: Mapping[str, str]) -> Server:
    lines = [
        f"port {ports[number]}",
        "bind 127.0.0.1",
        f"dir {home}/redis-{number}",
        f"aclfile {home}/users.acl",
        "masteruser replica",
        f"masterauth {secrets['replica']}",
        "appendonly yes",
        f"min-replicas-to-write {min(1, len(ports) - 1)}",
        "min-replicas-max-lag 3",
        "repl-diskless-sync-delay 0",
        "replica-serve-stale-data no",
        'save ""',
        *([f"replicaof 127.0.0.1 {ports[0]}"] if number else []),
    ]
    return Server(f"redis-{number}", home / f"redis-{number}", ports[number], "\n".join(lines), secrets["agent"])


def _sentinel(home: Path, number: int, ports: list[int], nodes: int, secrets: Mapping[str, str]) -> Server:
    own = ports[nodes:]
    lines = [
        f"port {own[number]}",
        "bind 127.0.0.1",
        f"dir {home}/redis-sentinel-{number}",
        f"aclfile {home}/sentinel.acl",
        f"sentinel monitor {MASTER} 127.0.0.1 {ports[0]} {len(own) // 2 + 1}",
        f"sentinel auth-user {MASTER} sentinel",
        f"sentinel auth-pass {MASTER} {secrets['sentinel']}",
        "sentinel sentinel-user sentinel",
        f"sentinel sentinel-pass {secrets['sentinel']}",
        f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER}",
        f"sentinel failover-timeout {MASTER} 5000",
    ]
    name = f"redis-sentinel-{number}"
    return Server(name, home / name, own[number], "\n".join(lines), secrets["agent"])


@dataclass(frozen=True)
class Answer:
    """What the counter answered, and the seconds that it took."""

    status: int
    headers: Mapping[str, str]
    body: str
    seconds: float

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def count(self) -> int:
        """The count; it must be a good answer."""
        assert self.status == 200, self
        found: int = self.json["count"]
        return found


@dataclass
class Counter:
    """`python -m slipway_counter` as a child process that cannot outlive the thread that started it."""

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)  # whole names
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.port, self.metrics_port = free_ports(2)
        self.log = self.home / "counter.log"

    def __enter__(self) -> Self:
        try:
            self.start()
            eventually(self.ready, within=20, what="the counter is ready", every=0.02)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it; it is not ready yet."""
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "slipway_counter"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment(), cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def environment(self) -> dict[str, str]:
        """What it is told."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{FILES}:{COLLECTIONS}",
            "COUNTER_PORT": str(self.port),
            "COUNTER_METRICS_PORT": str(self.metrics_port),
            "COUNTER_LINGER": "0",
            **self.settings,
        }

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        command = [sys.executable, "-m", "slipway_counter", *options]
        return subprocess.run(
            command, env=self.environment(), cwd=self.home, capture_output=True, text=True, timeout=30, check=False
        )

    def kill(self) -> None:
        """SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process
        self.process.send_signal(number)

    def ready(self) -> bool:
        """Whether it says that it is. Raises `RuntimeError` if it has ended."""
        assert self.process
        if self.process.poll() is not None:
            raise RuntimeError(f"the counter ended: {self.log.read_text()}")
        return self.told("/readyz").status == 200

    def get(self, path: str = "/count", **headers: str) -> Answer:
        """Ask over a connection of its own."""
        return self.ask("GET", path, headers=headers)

    def post(self, key: str = "", *, body: str = "", **headers: str) -> Answer:
        """Count one, with an idempotency key or without."""
        given = {"Idempotency-Key": key} if key else {}
        return self.ask("POST", "/", headers={**headers, **given}, body=body)

    def told(self, path: str) -> Answer:
        """What Prometheus and the kubelet are told; status 0 if nobody answers."""
        try:
            return self.ask("GET", path, port=self.metrics_port)
        except OSError:
            return Answer(0, {}, "", 0)

    def metrics(self) -> dict[str, float]:
        """Every sample by its name with labels."""
        lines = self.told("/metrics").body.splitlines()
        rows = (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")
        return {name: float(value) for name, value in rows}

    def logged(self, level: str = "") -> list[dict[str, Any]]:
        """Its lines, of one level or all."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if not level or line["level"] == level]

    def ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: str = "", port: int = 0
    ) -> Answer:
        """Send a request; names of headers may have _ for -."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
            connection.request(method, path, body=body or None, headers=named)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, text, time.monotonic() - began)
