"""A data node: decides how its Redis starts, starts it, looks after it, and hands over before it ends."""

from __future__ import annotations

import logging
import tempfile
import time
import typing as t
from dataclasses import replace
from pathlib import Path

import redis

from . import files
from .child import Child
from .decide import (
    cut_off,
    decide,
    deposed_by,
    may_ask_for_another,
    may_be_promoted,
    may_write,
    named,
    recorded,
    rival,
    vote,
)
from .handover import HandoverError, hand_over
from .links import Links, live_of
from .master_service import Target
from .model import Blocked, Copy, Decision, Evidence, Follow, Lead, Live, Node, Phase, Role, State, Yield
from .secrets import Secrets

if t.TYPE_CHECKING:
    from .master_service import MasterService
    from .metrics import Metrics
    from .settings import Settings

log = logging.getLogger(__name__)

_TICK = 0.5
_GLANCE = 0.02
_NOTE = 1.0
_FRESH = 3.0  # seconds that what a Redis said of itself counts for
_READY_LAG = 10.0
_SHUTDOWN = 15.0
_FAILOVER_AGAIN = 2.0
_UNSURE = 1500  # milliseconds that writes are paused for, again at each look, while another is being made master


class DataNode:
    """The agent of one data pod."""

    def __init__(self, settings: Settings, metrics: Metrics, links: Links, service: MasterService | None) -> None:
        self._settings = settings
        self._metrics = metrics
        self._links = links
        self._service = service
        self._me = settings.pod
        self._file = settings.data_dir / "state.json"
        self._stopping = False
        self._child: Child | None = None
        self._secrets = Secrets(settings, "users.acl")
        self._copy = self._read()
        self._seen = 0.0  # when ``_copy.live`` was
        self._began = time.monotonic()
        self._promotable = False
        self._attended = False  # as master it has had the replicas that it needs, or was named
        self._held = False  # it takes no writes, as master
        self._begins = False  # it is held since its start, and has not begun anew before it takes writes
        self._answered = 0.0  # since when, by time.monotonic()
        self._named = False
        self._said: tuple[str, str] = ("", "")
        self._asked = 0.0
        self.blocked = ""
        metrics.own(self._copy, None)

    # What others ask for, from their threads.

    def stop(self) -> None:
        """Have run() hand over and return: for handlers of signals, which must take no lock."""
        self._stopping = True

    def alive(self) -> bool:
        """Whether the Redis answers, or does not run because this agent wants it so."""
        if self._child is None:
            return True
        try:
            self._links.own(self._node).ping()
        except (redis.BusyLoadingError, redis.exceptions.MasterDownError):
            return True
        except redis.ResponseError as error:
            return "MASTERDOWN" in str(error)
        except (redis.RedisError, OSError):
            return False
        return True

    def ready(self) -> bool:
        """Whether this is a replica in sync, or the master that a majority of the Sentinels names, and takes writes."""
        live = self._fresh()
        if live is None or live.loading:
            return False
        if live.role is Role.MASTER:
            return self._named and not self._held
        return live.link_up and not live.syncing and live.lag <= _READY_LAG

    def state(self) -> dict[str, t.Any]:
        """Return what the other agents decide by, and what an operator is told."""
        return {
            **replace(self._copy, live=self._fresh()).document(),
            "pod": self._me,
            "kind": "data",
            "blocked": self.blocked,
            "version": self._secrets.version,
        }

    def _fresh(self) -> Live | None:
        return self._copy.live if time.monotonic() - self._seen < _FRESH else None

    # The program.

    def run(self) -> int:
        """Run until stop(); returns the exit code."""
        while not self._stopping:
            decision = self._settle()
            if decision is None:
                break
            self._start(decision)
            code = self._attend()
            if code is not None and code:
                return code
        self._end()
        return 0

    @property
    def _node(self) -> Node:
        return self._settings.cluster().named(self._me)

    def _settle(self) -> Follow | Lead | None:
        """Look until it is decided how to start; None if it is not to start any more."""
        self._began = time.monotonic()
        while not self._stopping:
            evidence = self._look()
            decision = self._decide(evidence)
            self._tell(decision)
            if isinstance(decision, Follow | Lead):
                return decision
            self._copy = replace(self._copy, phase=Phase.YIELDING if isinstance(decision, Yield) else Phase.DECIDING)
            if isinstance(decision, Yield) and may_ask_for_another(evidence):
                self._ask_for_another()
            self._pause(_TICK)
        return None

    def _decide(self, evidence: Evidence) -> Decision:
        self._copy = replace(self._copy, vote=vote(evidence))
        if self._settings.start == "first":
            first = evidence.cluster.data[0].name
            return Lead(0) if self._me == first else Follow(first)
        return decide(replace(evidence, copies={**evidence.copies, self._me: self._copy}))

    def _look(self) -> Evidence:
        """Ask everybody."""
        settings, cluster = self._settings, self._settings.cluster()
        copies, voices = self._links.everybody(cluster, self._me)
        evidence = Evidence(
            me=self._me,
            cluster=cluster,
            copies={**copies, self._me: self._copy},
            voices=voices,
            waited=time.monotonic() - self._began,
            cold_start_wait=settings.cold_start_wait,
            bootstrap=settings.bootstrap,
            force=settings.force_master,
        )
        master = named(evidence)
        self._named = master is not None and master.master == self._me
        self._metrics.seen(evidence, master)
        return evidence

    def _tell(self, decision: Decision) -> None:
        """Log what is decided, once."""
        kind = type(decision).__name__.lower()
        self.blocked = decision.why if isinstance(decision, Blocked) else ""
        self._metrics.cold_start_blocked.set(bool(self.blocked))
        if (kind, decision.why) != self._said:
            self._said = (kind, decision.why)
            level = logging.ERROR if isinstance(decision, Blocked) else logging.INFO
            master = getattr(decision, "master", "")
            log.log(level, "Decided: %s", kind, extra={"why": decision.why, **({"master": master} if master else {})})

    def _ask_for_another(self) -> None:
        """Have a Sentinel promote somebody else; again soon, while none of them can."""
        if time.monotonic() - self._asked < _FAILOVER_AGAIN:
            return
        self._asked = time.monotonic()
        cluster = self._settings.cluster()
        for sentinel in cluster.sentinels:
            try:
                self._links.to(sentinel).execute_command("SENTINEL", "FAILOVER", cluster.master_name)
            except (redis.RedisError, OSError) as error:
                log.info("No other master yet: %s", error, extra={"sentinel": sentinel.name})
            else:
                return

    def _start(self, decision: Follow | Lead) -> None:
        cluster = self._settings.cluster()
        master = cluster.named(decision.master) if isinstance(decision, Follow) else None
        # In memory: the next start writes it anew, and a promotion waits for CONFIG REWRITE to reach the disk.
        path = Path(tempfile.gettempdir()) / "redis.conf"
        # A master that the Sentinels name takes no writes yet, and until then has not begun anew.
        held = isinstance(decision, Lead) and self._named and self._settings.start == "safe"
        if isinstance(decision, Lead) and not held:
            self._note(_begun(self._copy.state, decision.epoch, at=time.time()))
        files.write(path, files.redis_conf(self._settings, cluster.named(self._me), master, held=held))
        self._promotable, self._attended, self._answered = False, False, 0.0
        self._held = self._begins = held
        self._secrets.started()
        self._child = Child(["redis-server", str(path)])
        self._copy = replace(self._copy, phase=Phase.RUNNING, live=None)

    def _attend(self) -> int | None:
        """Look after the Redis until it, or this agent, is to end; returns the exit code if the agent has to end."""
        assert self._child
        while not self._stopping:
            code = self._child.poll()
            if code is not None:
                answered = self._copy.live is not None
                self._child = None
                self._copy = replace(self._copy, phase=Phase.DECIDING, live=None)
                self._metrics.restarts.inc()
                log.error("Redis has ended by itself", extra={"code": code, "answered": answered})
                return None if answered else 1
            try:
                self._tick()
            except (redis.RedisError, OSError) as error:
                log.debug("Redis does not answer: %s", error)
            self._pause(_TICK)
        return None

    def _tick(self) -> None:
        """See to it that everything is as it should be. :raises redis.RedisError: if this Redis does not answer."""
        cluster = self._settings.cluster()
        own = self._links.own(cluster.named(self._me))
        config = own.config_get("replica-priority", "appendfsync")
        live = replace(live_of(own.info(), cluster), durable=config["appendfsync"] == "always")
        self._copy, self._seen = replace(self._copy, live=live), time.monotonic()
        evidence = self._look()
        master = named(evidence)
        if master is None or master.master in evidence.copies:
            self._began = time.monotonic()  # nobody is waited for
        self._copy = replace(self._copy, vote=vote(evidence))
        self._answered = self._answered or time.monotonic()
        self._depose(own, evidence, live)
        self._hold(own, evidence, live)
        self._release(own, evidence, live)
        evidence = self._with_own(evidence)
        state = recorded(evidence, live, at=time.time())
        if state is not None and not live.loading and not self._held:
            self._note(state)
        evidence = self._with_own(evidence)
        self._allow(own, live, evidence, now=config["replica-priority"] != "0")
        self._metrics.own(self._copy, live)
        self._show(evidence)
        if self._secrets.apply(own, self._secrets.of_data):
            log.info("Users and passwords are applied", extra={"version": self._secrets.version})

    def _with_own(self, evidence: Evidence) -> Evidence:
        """Return the evidence with what is known of this copy now."""
        return replace(evidence, copies={**evidence.copies, self._me: self._copy})

    def _depose(self, own: redis.Redis, evidence: Evidence, live: Live) -> None:
        """Step down as soon as the Sentinels name another master, which they tell an old one only after 8 seconds."""
        if rival(evidence, live):
            own.execute_command("CLIENT", "PAUSE", _UNSURE, "WRITE")
        new = deposed_by(evidence, live)
        if not new or new not in {each.name for each in evidence.cluster.data}:
            return
        master = evidence.cluster.named(new)
        own.config_set("replica-priority", 0)
        own.execute_command("REPLICAOF", master.ip, master.port)
        own.execute_command("CLIENT", "UNPAUSE")
        own.execute_command("CLIENT", "KILL", "TYPE", "normal")
        self._promotable = False
        self._metrics.deposed.inc()
        log.warning("Stepped down", extra={"master": new})

    def _hold(self, own: redis.Redis, evidence: Evidence, live: Live) -> None:
        """Have a master that is left alone take no writes until it is known who is master."""
        alone = cut_off(evidence, live, needed=files.min_replicas(self._settings))
        if alone and self._attended and not self._held:
            own.config_set("min-replicas-to-write", files.NEVER_SO_MANY)
            self._held = True
            log.warning("Takes no writes: hears neither its replicas nor most Sentinels")
        self._attended = live.role is Role.MASTER and (self._attended or not alone)

    def _release(self, own: redis.Redis, evidence: Evidence, live: Live) -> None:
        """Let a master that has just started, or was alone, take writes, once no failover can be under way."""
        if self._held and may_write(evidence, live, up=time.monotonic() - self._answered):
            master = named(evidence)
            if live.role is Role.MASTER and master and self._begins:
                begun = _begun(self._copy.state, master.epoch, at=time.time())
                self._note(replace(begun, replid=live.replid, offset=live.offset, dbsize=live.dbsize))
            own.config_set("min-replicas-to-write", files.min_replicas(self._settings))
            self._held = self._begins = False
            log.info("Takes writes")

    def _allow(self, own: redis.Redis, live: Live, evidence: Evidence, *, now: bool) -> None:
        """Let the Sentinels promote this Redis, or not. A master may not: it has to be in sync again first."""
        may = live.role is Role.REPLICA and may_be_promoted(evidence, live, self._promotable)
        self._promotable = may
        self._metrics.promotable.set(may)
        if now != may:
            own.config_set("replica-priority", files.CANDIDATE if may else 0)
            log.info("May be promoted" if may else "May not be promoted")

    def _show(self, evidence: Evidence) -> None:
        """Have the Service show the master, if it is known and its agent says where it is."""
        master = named(evidence)
        its = evidence.copies.get(master.master) if master else None
        if self._service is None or master is None or its is None or its.live is None:
            return
        ip = self._settings.pod_ip if master.master == self._me else its.ip
        if its.live.role is Role.MASTER and ip:
            port = evidence.cluster.named(master.master).port
            self._service.show(Target(pod=master.master, ip=ip, port=port, epoch=master.epoch))

    def _end(self) -> None:
        if self._child is None:
            return
        self._copy = replace(self._copy, phase=Phase.STOPPING)
        if self._settings.handover:
            self._hand_over()
        code = self._child.end(_SHUTDOWN)
        log.info("Redis has ended", extra={"code": code})

    def _hand_over(self) -> None:
        cluster = self._settings.cluster()
        me = cluster.named(self._me)
        try:
            if self._links.own(me).info("replication")["role"] != "master":
                return
            done = hand_over(self._links, cluster, me, seconds=self._settings.handover_seconds)
        except (HandoverError, redis.RedisError, OSError) as error:
            self._metrics.handovers.labels("failure").inc()
            log.error("No hand-over: %s", error)
            return
        self._metrics.handovers.labels("success").inc()
        self._metrics.paused.observe(done.paused)
        log.info("Handed over", extra={"master": done.master, "paused": done.paused, "steps": done.steps})

    def _note(self, state: State) -> None:
        """Keep what is known of the copy: each second, and at once if it is another."""
        before = self._copy.state
        same = before is not None and (before.lineage, before.role, before.replid) == (
            state.lineage,
            state.role,
            state.replid,
        )
        if before is None or not same or abs(state.at - before.at) >= _NOTE:
            files.write_state(self._file, state)
            self._copy = replace(self._copy, state=state)

    def _read(self) -> Copy:
        return Copy(state=files.read_state(self._file), ip=self._settings.pod_ip)

    def _pause(self, seconds: float) -> None:
        """Wait, but not for long once stop() was called, which can wake nobody."""
        end = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < end:
            time.sleep(_GLANCE)


def _begun(before: State | None, epoch: int, *, at: float) -> State:
    """Return what is known of the copy of a master that starts: its offsets begin anew."""
    life = before.life + 1 if before and before.epoch == epoch else 0
    dbsize, durable = (before.dbsize, before.durable) if before else (0, False)
    return State(epoch=epoch, life=life, role=Role.MASTER, replid="", offset=0, dbsize=dbsize, durable=durable, at=at)
