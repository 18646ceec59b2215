"""The counter as a child process, before a real master with replicas and Sentinels on loopback.

with a_redis(home) as redis, Counter(home / "counter", redis.settings) as counter:
    counter.post().count
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import redis

from ansible_collections.slipway.cloud.plugins.module_utils import _redis_users as users
from tests.support.api_server import free_ports
from tests.support.paths import CHECKOUT, COLLECTIONS
from tests.support.redis import program
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
        if kind == "redis-sentinel":
            self.ask("SENTINEL", "DEBUG", "INFO-PERIOD", 500)  # so that it soon sees who follows whom, by itself 10 s

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

    def named(self, sentinel: Server) -> str:
        """The name of the node that is master, as a Sentinel says; nothing if it does not answer."""
        try:
            _, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
        except redis.exceptions.ConnectionError:
            return ""
        return next(each.name for each in self.nodes if each.port == int(port))

    @property
    def master(self) -> Server:
        """The node that most Sentinels say is master."""
        name = self.named_by_most()
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
        if not self.named_by_most():
            return False
        role = self.master.ask("ROLE")
        if not self._calm():
            return False
        self._lead_back()
        if role[0] != "master" or len(role[2]) != len(self.nodes) - 1:
            return False
        wanted = {"num-slaves": len(self.nodes) - 1, "num-other-sentinels": len(self.sentinels) - 1}
        for sentinel in self.sentinels:
            known = self._known(sentinel)
            if any(int(known[name]) != number for name, number in wanted.items()):
                return False
        return True

    def _calm(self) -> bool:
        """Whether all Sentinels name the same master, and none has doubts of it."""
        said = {(known["port"], known["flags"]) for known in map(self._known, self.sentinels)}
        return said == {(str(self.master.port), "master")}

    @staticmethod
    def _known(sentinel: Server) -> dict[str, str]:
        """What a Sentinel knows of the master."""
        words = sentinel.ask("SENTINEL", "MASTER", MASTER)
        return dict(zip(words[::2], words[1::2], strict=True))

    def _lead_back(self) -> None:
        """Have those follow the master who think that they are it: Sentinels leave them alone for 8 s."""
        for stray in self.replicas:
            if stray.ask("ROLE")[0] == "master":
                stray.ask("REPLICAOF", "127.0.0.1", self.master.port)
                stray.ask("CONFIG", "REWRITE")

    def named_by_most(self) -> str:
        """The name of the node that more than half of the Sentinels name, or nothing."""
        names = [self.named(sentinel) for sentinel in self.sentinels]
        return next((name for name in names if 2 * names.count(name) > len(names)), "")

    def hand_over(self) -> Server:
        """As an agent does before its master stops: hold writes back, have another made master, and follow that one.

        What is held back is the Sentinels' hello too: if that lasts, they take the master for dead and fail over first.
        """
        before = self.master
        replicas = self.replicas
        before.ask("CLIENT", "PAUSE", 20_000, "WRITE")
        eventually(lambda: self._even(before, replicas), within=5, what="replicas that have all", every=0.01)
        self.sentinels[0].ask("SENTINEL", "FAILOVER", MASTER)
        after = self._other(before, within=20)
        before.ask("REPLICAOF", "127.0.0.1", after.port)
        before.ask("CLIENT", "UNPAUSE")
        return after

    @staticmethod
    def _even(master: Server, replicas: list[Server]) -> bool:
        """Whether the replicas say themselves that they have all: the master hears of it once a second only."""
        offset = int(master.ask("ROLE")[1])
        return all(int(replica.ask("ROLE")[4]) >= offset for replica in replicas)

    def mend(self) -> None:
        """Have all run, and follow one of them."""
        for each in (*self.nodes, *self.sentinels):
            if each.process and each.process.poll() is None:
                each.send(signal.SIGCONT)
            else:
                each.start()
        self.settle()

    def await_another(self, before: Server) -> Server:
        """Wait until most Sentinels name another node than this one, which is lost, and the others follow that one.

        Until then what this one writes, should it come back, may be acknowledged and dropped.
        """
        after = self._other(before, within=30)
        others = [each for each in self.nodes if each not in (before, after)]
        eventually(lambda: all(self._follows(each, after) for each in others), within=30, what="all follow", every=0.02)
        return after

    def _other(self, before: Server, *, within: float) -> Server:
        """The node that most Sentinels name, once it is another one."""
        eventually(
            lambda: self.named_by_most() not in ("", before.name), within=within, what="another master", every=0.02
        )
        return self.master

    @staticmethod
    def _follows(replica: Server, master: Server) -> bool:
        kind, _, port, *_ = replica.ask("ROLE")
        return bool(kind == "slave" and port == master.port)


@contextmanager
def a_redis(home: Path, *, nodes: int = 3, sentinels: int = 3, user: str = "app") -> Iterator[Redis]:
    """A master with replicas and Sentinels that have found each other."""
    home.mkdir(parents=True)
    secrets = users.settled(
        users.Held({}, {}, {}), user=user, given=PASSWORD, phase="keep", make=lambda: f"made-up-{next(_numbers):04}"
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


class Forward:
    """A port of loopback that leads to another: new connections to where it leads now, old ones where they led."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_ports(1)[0]
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=2)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


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

    def connections(self) -> int:
        """How many callers are connected, as the kernel says."""
        lines = Path("/proc/net/tcp6").read_text().splitlines()[1:] + Path("/proc/net/tcp").read_text().splitlines()[1:]
        ends = [line.split()[1:4] for line in lines]
        return sum(local.endswith(f":{self.port:04X}") and state == "01" for local, _, state in ends)

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


@dataclass(frozen=True)
class Write:
    """A request to count that was answered, and when, in seconds of the monotonic clock."""

    key: str
    answer: Answer
    at: float


@dataclass
class Writers:
    """Writers that count, one request after the other, until they are stopped. Every other one gives keys."""

    counter: Counter
    many: int = 8
    writes: list[Write] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(self.many)
        self._running = [self._pool.submit(self._write, number) for number in range(self.many)]
        self.more(50)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for each in self._running:
            each.result()

    def _write(self, writer: int) -> None:
        for number in count():
            if self._stop.is_set():
                return
            key = f"{writer}-{number}" if writer % 2 else ""
            self.writes.append(Write(key, self.counter.post(key), time.monotonic()))

    def more(self, wanted: int, *, within: float = 30) -> None:
        """Wait until so many more were counted."""
        least = len(self.counted) + wanted
        eventually(lambda: len(self.counted) >= least, within=within, what=f"{wanted} more counted", every=0.02)

    @property
    def counted(self) -> list[Write]:
        """What was acknowledged."""
        return [each for each in list(self.writes) if each.answer.status == 200]

    @property
    def refused(self) -> list[Write]:
        """What was not."""
        return [each for each in list(self.writes) if each.answer.status != 200]

    @property
    def outage(self) -> float:
        """The longest time without an acknowledgement, in seconds."""
        times = sorted(each.at for each in self.counted)
        return max(later - earlier for earlier, later in pairwise(times))

    def check(self, final: int) -> None:
        """No number was given twice, none is lost, and nothing was counted that nobody asked for.

        :param final: the count when all is over.
        """
        numbers = [each.answer.count for each in self.counted]
        assert len(set(numbers)) == len(numbers)
        assert max(numbers) <= final
        unknown = [each for each in self.refused if each.answer.json["counted"] is None]
        assert len(numbers) <= final <= len(numbers) + len(unknown)
