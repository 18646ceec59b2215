"""What the agent asks Redis, Sentinels and other agents. Each question has a second, and is asked once."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import math
import threading
import time
import typing as t
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .model import Copy, Live, Node, Role, Voice

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .model import Cluster
    from .settings import Settings

log = logging.getLogger(__name__)

TIMEOUT = 1.0
_LOOK = 0.02
Answer = t.Any


class Links:
    """Connections to all nodes, kept. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, int, str], redis.Redis] = {}
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="ask")

    def to(self, node: Node) -> redis.Redis:
        """Return a client of a Redis or a Sentinel, by the agent's user, which repeats nothing."""
        password = self._settings.secret("agent")
        key = (node.ip, node.port, password)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._client(node.ip, node.port, password)
            return self._clients[key]

    def says(self, node: Node, cluster: Cluster) -> Mapping[str, t.Any]:
        """Return what a Sentinel knows of the master. :raises redis.RedisError:"""
        return t.cast("Mapping[str, t.Any]", self.to(node).sentinel_master(cluster.master_name))

    def own(self, node: Node) -> redis.Redis:
        """Return a client of the Redis or Sentinel that is this pod's."""
        return self.to(Node(name=node.name, ip=self._settings.address, port=node.port))

    def everybody(self, cluster: Cluster, me: str) -> tuple[dict[str, Copy], dict[str, Voice]]:
        """Ask all other data nodes' agents what they have, and all Sentinels who is master; see voices().

        All at once: to give up those on a node that is gone takes a second.
        """
        others = [each for each in cluster.data if each.name != me]
        copies = self._pool.map(self._copy, others)
        voices = self.voices(cluster)
        return _known(dict(zip((each.name for each in others), copies, strict=True))), voices

    def voices(self, cluster: Cluster) -> dict[str, Voice]:
        """Ask all Sentinels who is master; those that do not answer are left out."""
        found = self._pool.map(lambda each: self.voice(each, cluster), cluster.sentinels)
        return _known(dict(zip((each.name for each in cluster.sentinels), found, strict=True)))

    def voice(self, node: Node, cluster: Cluster) -> Voice | None:
        """Ask a Sentinel, or its agent where it does not run because it remembers nothing."""
        try:
            with self.to(node).pipeline(transaction=False) as both:
                both.sentinel_get_master_addr_by_name(cluster.master_name)
                both.sentinel_master(cluster.master_name)
                address, state = both.execute()
        except redis.TimeoutError:  # then its agent would not answer either
            return None
        except (redis.RedisError, OSError):
            answer = self._ask(node)
            return Voice() if answer and answer.get("blank") else None
        return voice_of((str(address[0]), int(address[1])), state, cluster)

    def live(self, node: Node, cluster: Cluster) -> Live | None:
        """Ask a Redis what it is, None if it does not answer."""
        try:
            return live_of(self.to(node).info(), cluster)
        except (redis.RedisError, OSError):
            return None

    def map(self, ask: t.Callable[[Node], Answer], nodes: t.Iterable[Node]) -> dict[str, Answer]:
        """Ask several nodes at once; return the answers by their names."""
        nodes = list(nodes)
        return dict(zip((each.name for each in nodes), self._pool.map(ask, nodes), strict=True))

    def until(
        self,
        enough: t.Callable[[dict[str, Answer]], bool],
        ask: t.Callable[[Node], Answer],
        nodes: t.Iterable[Node],
        end: float,
    ) -> dict[str, Answer]:
        """Ask several nodes again and again, none later because another one does not answer.

        Returns the latest answers by their names, as soon as they are enough, or at ``end``, a time.monotonic().
        """
        nodes, latest = list(nodes), dict[str, Answer]()
        asked: dict[Future[Answer], Node] = {}
        while True:
            asked |= {self._pool.submit(ask, each): each for each in nodes if each not in asked.values()}
            for each in wait(asked, max(0.0, end - time.monotonic()), FIRST_COMPLETED).done:
                latest[asked.pop(each).name] = each.result()
            if enough(latest) or time.monotonic() >= end:
                return latest
            time.sleep(_LOOK)

    def tell(self, voice: Voice, of: Node, cluster: Cluster) -> None:
        """Have all other Sentinels hear what one of them says of the master, by the message that he sends them.

        His own may be two seconds late, where he had just sent them another, to which no answer had come yet: Sentinel
        counts the time from that answer. Nobody is waited for.
        """
        for each in cluster.sentinels:
            if each != of:
                self._pool.submit(self._tell, each, voice, of, cluster)

    def _tell(self, listener: Node, voice: Voice, of: Node, cluster: Cluster) -> None:
        master = cluster.named(voice.master)
        with contextlib.suppress(redis.RedisError, OSError):
            run = self.to(of).execute_command("SENTINEL", "MYID")
            who, what = (of.ip, of.port, run, voice.epoch), (cluster.master_name, master.ip, master.port, voice.epoch)
            self.to(listener).publish("__sentinel__:hello", ",".join(map(str, (*who, *what))))

    def _client(self, ip: str, port: int, password: str) -> redis.Redis:
        return redis.Redis(
            host=ip,
            port=port,
            username="agent",
            password=password,
            protocol=2,
            decode_responses=True,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,  # which Redis 7.0 does not know
        )

    def _copy(self, node: Node) -> Copy | None:
        try:
            return Copy.of(self._ask(node))
        except ValueError:
            return None

    def _ask(self, node: Node) -> t.Any:
        """Return what a node's agent says of itself, None if it does not answer."""
        connection = http.client.HTTPConnection(node.ip, self._settings.port, timeout=TIMEOUT)
        try:
            connection.request("GET", "/state")
            return json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


def voice_of(address: tuple[str, int], state: Mapping[str, t.Any], cluster: Cluster) -> Voice:
    """Read what a Sentinel says: whom clients are sent to, and what it knows of the master that it watches.

    These differ from a promotion on until the other replicas have followed: then it is decided who is master.
    """
    watched = (str(state["ip"]), int(state["port"])) == address
    flags = str(state["flags"]) if watched else ""
    return Voice(
        master=cluster.at(*address),
        epoch=int(state["config-epoch"]),
        switching="failover_in_progress" in flags,
        down="_down" in flags,
        heard=int(state["last-ok-ping-reply"]) / 1000 if watched else math.inf,
    )


def live_of(info: Mapping[str, t.Any], cluster: Cluster) -> Live:
    """Read the answer to INFO."""
    role = Role.MASTER if info["role"] == "master" else Role.REPLICA
    databases = [each for name, each in info.items() if name[:2] == "db" and isinstance(each, dict)]
    offset = info["master_repl_offset"] if role is Role.MASTER else info.get("slave_repl_offset", 0)
    return Live(
        role=role,
        master=cluster.at(str(info["master_host"]), int(info["master_port"])) if role is Role.REPLICA else "",
        link_up=info.get("master_link_status") == "up",
        syncing=bool(info.get("master_sync_in_progress")),
        loading=bool(info.get("loading")),
        lag=float(info.get("master_last_io_seconds_ago", 0)),
        replid=str(info["master_replid"]),
        replid2=str(info.get("master_replid2", "")),
        offset=int(offset),
        dbsize=sum(int(each["keys"]) for each in databases),
        lasting=sum(int(each["keys"]) - int(each["expires"]) for each in databases),
        replicas=int(info.get("min_slaves_good_slaves", len(online(info)))),
        promotable=bool(info.get("slave_priority")),
    )


def online(info: Mapping[str, t.Any]) -> list[tuple[str, int]]:
    """Return the addresses of the replicas that INFO lists as being in sync."""
    rows = [each for name, each in info.items() if name[:5] == "slave" and isinstance(each, dict)]
    return [(str(each["ip"]), int(each["port"])) for each in rows if each.get("state") == "online"]


def _known(found: Mapping[str, Answer | None]) -> dict[str, Answer]:
    return {name: each for name, each in found.items() if each is not None}
