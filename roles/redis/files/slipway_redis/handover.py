"""A master that has to stop hands over first: no write is acknowledged that the next master has not got.

Writes are paused; a replica that has all is promoted by a Sentinel; this node follows it, which makes it the replica
that the new master needs for a write; then the paused writes are refused (READONLY), and clients ask who is master.
"""

from __future__ import annotations

import contextlib
import logging
import time
import typing as t
from collections import Counter
from dataclasses import dataclass

import redis

from . import files
from .links import Links, online

if t.TYPE_CHECKING:
    from .model import Cluster, Live, Node, Voice

log = logging.getLogger(__name__)

Row = t.Mapping[str, t.Any]
"""What a Sentinel says of a replica: SENTINEL REPLICAS."""

_PREFERRED = 1  # replica-priority of the one that is to be promoted: the Sentinels take the lowest
_CHOSEN_WITHIN = 5.0  # seconds for a replica that has only just come
_MOMENT_WITHIN = 10.0  # seconds in which the right moment to ask a Sentinel is looked for
_EQUAL_WITHIN = 5.0  # seconds that clients wait at most for a replica to have all
_KNOWN_WITHIN = 5.0  # seconds after a promotion within which the Sentinels agree on it
_ATTACHED_WITHIN = 5.0  # seconds that the new master gets to have its other replicas
_LOOK = 0.02
_PING = "repl-ping-replica-period"
_NEVER = 2**31 - 1  # seconds
# A Sentinel notices a promotion by INFO, which it sends a second after the last one: so one is asked whose last is
# 0.4 to 0.6 s old: late enough to be short, and early enough for the promotion, which takes it three of its tenths of a
# second, to come before the next one also on a busy node; else clients wait for yet another second.
_INFO_AGE = range(400, 600)  # milliseconds
# Neither works while nodes are short of CPU, as they are for seconds where the pods of a drained one start.
_CALM = 1.5  # seconds for which it has answered promptly
_PROMPT = 0.05  # seconds for an answer, and for the replica to have all; later that moment is over


class HandoverError(Exception):
    """Why the master is as before: nothing was lost, and nothing won."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What a hand-over came to.

    :param steps: what was reached how many seconds after clients' writes were paused.
    """

    master: str
    steps: dict[str, float]

    @property
    def paused(self) -> float:
        """Return the seconds in which clients' writes were paused."""
        return self.steps["released"]


def choose(lives: t.Mapping[str, Live | None], heard: Counter[str], *, wanted: str = "") -> str:
    """Return the replica to promote, of those in sync with the master: the wanted one, else that with the most.

    :param heard: how many Sentinels find each of them sound. One that has just restarted may be new to all of them.
    :raises HandoverError: if there is none.
    """
    ready = {name: live for name, live in lives.items() if live and live.link_up and live.promotable and heard[name]}
    if wanted and wanted not in ready:
        raise HandoverError(f"{wanted} is no replica that is in sync, and known to be")
    if not ready:
        raise HandoverError("no replica is in sync, and known to be")
    return wanted or max(ready, key=lambda name: (heard[name], ready[name].offset, name))


def sound(row: Row) -> bool:
    """Return whether a Sentinel that lists a replica so could promote it."""
    reached = "down" not in str(row["flags"]) and "disconnected" not in str(row["flags"])
    return reached and row["master-link-status"] == "ok" and int(row["slave-priority"]) != 0


def promotable(rows: t.Iterable[Row], target: Node, *, timely: bool) -> bool:
    """Return whether a Sentinel that lists its replicas so would promote the target, now.

    :param timely: whether it is asked at the right moment too.
    """
    for row in rows:
        if (row["ip"], int(row["port"])) == (target.ip, target.port):
            preferred = int(row["slave-priority"]) == _PREFERRED
            return sound(row) and preferred and (not timely or int(row["info-refresh"]) in _INFO_AGE)
    return False


def agreed(voices: t.Mapping[str, Voice | None], cluster: Cluster, master: str) -> bool:
    """Return whether a majority of all Sentinels names that master."""
    return sum(each.master == master for each in voices.values() if each) >= cluster.majority


def hand_over(links: Links, cluster: Cluster, me: Node, *, seconds: float, to: str = "") -> Handover:
    """Make another node master, and this one its replica. :raises HandoverError: if this one is master still."""
    return _Handover(links, cluster, me, time.monotonic() + seconds).run(to)


class _Handover:
    """One attempt, in order."""

    def __init__(self, links: Links, cluster: Cluster, me: Node, deadline: float) -> None:
        self._links = links
        self._cluster = cluster
        self._me = me
        self._deadline = deadline
        self._own = links.own(me)
        self._period: str | None = None  # between pings to replicas, once there are none
        self._began = 0.0
        self._steps: dict[str, float] = {}

    def run(self, wanted: str) -> Handover:
        replicas, target = self._chosen(wanted)
        self._prefer(target, _PREFERRED)
        try:
            self._silence()
            sentinel = self._paused(target)
            promoted = self._promoted(replicas, sentinel)
        except (HandoverError, redis.RedisError, OSError) as error:
            self._give_up(target)
            raise HandoverError(str(error)) from error
        self._follow(promoted)
        self._release(promoted, sentinel)
        self._settle(promoted, replicas)
        return Handover(master=promoted.name, steps=self._steps)

    def _silence(self) -> None:
        """Send nothing to replicas any more.

        A ping counts as data. Where the others have one that the promoted one lacks, it has nothing to go on from, and
        all of them need a whole copy, before which no write is acknowledged by a replica.
        """
        self._period = self._own.config_get(_PING)[_PING]
        self._own.config_set(_PING, _NEVER)

    def _speak(self) -> None:
        """Ping as before."""
        if self._period:
            self._own.config_set(_PING, self._period)

    def _reached(self, step: str) -> float:
        self._steps[step] = round(time.monotonic() - self._began, 3)
        return self._steps[step]

    def _chosen(self, wanted: str) -> tuple[list[Node], Node]:
        """Return the replicas, and the one to promote: if there is one soon, one that most Sentinels reach.

        :raises HandoverError: if there is none that any of them reaches.
        """
        if self._replicas():
            self._until(lambda: self._well_known(wanted), _CHOSEN_WITHIN)
        replicas = self._replicas()
        return replicas, self._cluster.named(choose(self._lives(replicas), self._heard(), wanted=wanted))

    def _well_known(self, wanted: str) -> bool:
        """Whether a majority reaches the one to promote: it is by the replicas that a Sentinel tells others of him."""
        heard = self._heard()
        with contextlib.suppress(HandoverError):
            return heard[choose(self._lives(self._replicas()), heard, wanted=wanted)] >= self._cluster.majority
        return False

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _end(self, within: float) -> float:
        return min(time.monotonic() + within, self._deadline)

    def _until(self, found: t.Callable[[], bool], within: float) -> bool:
        """Look again and again; return whether it came."""
        end = self._end(within)
        while not found():
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK)
        return True

    def _replicas(self) -> list[Node]:
        info = self._own.info("replication")
        if info["role"] != "master":
            raise HandoverError("this node is no master")
        known = set(online(info))
        return [each for each in self._cluster.data if (each.ip, each.port) in known]

    def _lives(self, nodes: list[Node]) -> dict[str, Live | None]:
        return self._links.map(self._live, nodes)

    def _live(self, node: Node) -> Live | None:
        return self._links.live(node, self._cluster)

    def _prefer(self, target: Node, priority: int) -> None:
        self._links.to(target).config_set("replica-priority", priority)

    def _paused(self, target: Node) -> Node:
        """Hold writes back until the target has all; return the Sentinel that is to promote it, and is to be asked now.

        Where that takes so long that the moment is over, clients go on until there is another.

        :raises HandoverError: if no Sentinel would promote the target, or that does not get all.
        """
        end = self._end(min(_MOMENT_WITHIN, self._left() / 2))
        late = {each.name: time.monotonic() for each in self._cluster.sentinels}
        while sentinel := self._moment(target, late, end):
            if self._hold(target, _PROMPT):
                return sentinel
            self._own.execute_command("CLIENT", "UNPAUSE")
            late[sentinel.name] = time.monotonic()
        log.info("No good moment has come")
        sentinel = self._willing(target)
        if not self._hold(target, _EQUAL_WITHIN):
            raise HandoverError(f"{target.name} does not catch up")
        return sentinel

    def _hold(self, target: Node, within: float) -> bool:
        """Hold writes back; return whether the target has all in time."""
        self._began = time.monotonic()
        self._own.execute_command("CLIENT", "PAUSE", int(self._left() * 1000), "WRITE")
        return self._until(lambda: self._equal(target), within) and self._reached("equal") <= within

    def _moment(self, target: Node, late: dict[str, float], end: float) -> Node | None:
        """Wait for a Sentinel that would promote the target at once; None if there is none until ``end``.

        :param late: when each Sentinel has last kept this node waiting; noted here.
        """
        found: list[str] = []

        def ask(sentinel: Node) -> tuple[float, list[Row]]:
            began = time.monotonic()
            rows = self._listed(sentinel)
            if time.monotonic() - began > _PROMPT:
                late[sentinel.name] = time.monotonic()
            return began, rows

        def enough(listed: t.Mapping[str, tuple[float, list[Row]]]) -> bool:
            now = time.monotonic()
            found[:] = [
                name
                for name, (asked, rows) in listed.items()
                if now - asked <= _PROMPT and now - late[name] >= _CALM and promotable(rows, target, timely=True)
            ]
            return bool(found)

        self._links.until(enough, ask, self._cluster.sentinels, end)
        return self._cluster.named(found[0]) if found else None

    def _willing(self, target: Node) -> Node:
        """Return a Sentinel that would promote the target. :raises HandoverError: if none would."""
        listed = self._links.map(self._listed, self._cluster.sentinels)
        found = [name for name, rows in listed.items() if promotable(rows, target, timely=False)]
        if not found:
            raise HandoverError(f"no Sentinel would promote {target.name}")
        return self._cluster.named(found[0])

    def _heard(self) -> Counter[str]:
        """Return how many Sentinels find each replica sound."""
        listed = self._links.map(self._listed, self._cluster.sentinels)
        rows = (row for each in listed.values() for row in each if sound(row))
        return Counter(self._cluster.at(row["ip"], int(row["port"])) for row in rows)

    def _listed(self, sentinel: Node) -> list[Row]:
        """Return what a Sentinel says of the replicas: nothing in TILT mode, in which it promotes nobody."""
        with contextlib.suppress(redis.RedisError, OSError):
            with self._links.to(sentinel).pipeline(transaction=False) as both:
                both.info("sentinel")
                both.sentinel_slaves(self._cluster.master_name)
                state, rows = both.execute()
            return [] if state["sentinel_tilt"] else list(rows)
        return []

    def _promoted(self, replicas: list[Node], sentinel: Node) -> Node:
        """Have a Sentinel promote a replica; return who is promoted."""
        self._links.to(sentinel).execute_command("SENTINEL", "FAILOVER", self._cluster.master_name)

        def masters(lives: t.Mapping[str, Live | None]) -> list[Node]:
            return [each for each in replicas if (live := lives.get(each.name)) and live.role == "master"]

        found = masters(self._links.until(lambda lives: bool(masters(lives)), self._live, replicas, self._deadline))
        if not found:
            raise HandoverError(f"{sentinel.name} has promoted nobody")
        self._reached("promoted")
        return found[0]

    def _equal(self, replica: Node) -> bool:
        offset = int(self._own.info("replication")["master_repl_offset"])
        live = self._live(replica)
        return bool(live and live.link_up and live.offset >= offset)

    def _follow(self, master: Node) -> None:
        """Be its replica. Not to be given up: it takes writes already."""
        self._own.config_set("replica-priority", 0)
        self._own.execute_command("REPLICAOF", master.ip, master.port)
        with contextlib.suppress(redis.RedisError):
            self._speak()
            self._own.config_rewrite()

    def _release(self, master: Node, sentinel: Node) -> None:
        """Let clients go, as soon as those they ask name the new master: first of all the Sentinel that promoted it."""

        def known(voices: t.Mapping[str, Voice | None]) -> bool:
            return agreed(voices, self._cluster, master.name)

        def said(voices: t.Mapping[str, Voice | None]) -> Voice | None:
            voice = voices.get(sentinel.name)
            return voice if voice and voice.master == master.name else None

        end = self._end(_KNOWN_WITHIN)
        voice = said(self._voices(lambda voices: known(voices) or said(voices) is not None, end))
        self._reached("noticed")
        if voice:
            self._links.tell(voice, sentinel, self._cluster)
        if not known(self._voices(known, end)):
            log.warning("The Sentinels do not agree on the new master yet", extra={"master": master.name})
        self._own.execute_command("CLIENT", "UNPAUSE")
        self._reached("released")
        time.sleep(_LOOK)  # in which what was paused gets its answer, before the connections are closed
        with contextlib.suppress(redis.RedisError, OSError):
            self._own.execute_command("CLIENT", "KILL", "TYPE", "normal")

    def _voices(self, enough: t.Callable[[dict[str, Voice | None]], bool], end: float) -> dict[str, Voice | None]:
        return self._links.until(
            enough, lambda each: self._links.voice(each, self._cluster), self._cluster.sentinels, end
        )

    def _settle(self, master: Node, replicas: list[Node]) -> None:
        """Stay until the new master has as many replicas as this one had, of which this one will be gone.

        A Sentinel tells the others to follow it once, and only those that it reaches at that moment.
        """
        others = [each for each in replicas if each != master]

        def attached() -> bool:
            lives = self._lives(replicas)
            for each in others:
                if (live := lives[each.name]) and live.master == self._me.name:
                    with contextlib.suppress(redis.RedisError, OSError):
                        self._links.to(each).execute_command("REPLICAOF", master.ip, master.port)
            led = lives[master.name]
            return bool(led and led.replicas >= len(replicas))

        if not self._until(attached, _ATTACHED_WITHIN):
            log.warning("The new master has not all replicas yet", extra={"master": master.name})

    def _give_up(self, target: Node) -> None:
        """Be master as before, if nobody else is."""
        with contextlib.suppress(redis.RedisError, OSError):
            self._prefer(target, files.CANDIDATE)
        with contextlib.suppress(redis.RedisError, OSError):
            self._own.execute_command("CLIENT", "UNPAUSE")
            self._speak()
