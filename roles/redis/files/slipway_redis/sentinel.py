"""A Sentinel: starts with what it remembers, or else waits until others show who is master. It never guesses."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
import typing as t

import redis

from . import files
from .child import Child
from .model import Copy, Phase, Role, Voice
from .secrets import Secrets

if t.TYPE_CHECKING:
    from .files import Memory
    from .links import Links
    from .metrics import Metrics
    from .model import Cluster, Node
    from .settings import Settings

log = logging.getLogger(__name__)

_TICK = 0.5
_GLANCE = 0.02
_SHUTDOWN = 5.0
_SAME_MOMENT = 1.0  # seconds between the ends of two pods of a node that is drained, at most
# Milliseconds, by SENTINEL DEBUG: what it knows of the replicas is a second old, not ten; and it gives up a connection
# to the address that a pod had before it restarted after half of down-after, not after 15 seconds.
_TUNED = {"INFO-PERIOD": 1000, "MIN-LINK-RECONNECT-PERIOD": 1000}


def learn(cluster: Cluster, copies: t.Mapping[str, Copy], voices: t.Mapping[str, Voice]) -> tuple[str, int] | None:
    """Return the master and its epoch as others show it, at the highest epoch of all; None if nobody does. Pure."""
    ours = {each.name for each in cluster.data}
    told = [(each.epoch, each.master) for each in voices.values() if each.master in ours]
    shown = [
        (each.state.epoch, name)
        for name, each in copies.items()
        if each.live and each.live.role is Role.MASTER and each.state
    ]
    epochs = [each.state.epoch for each in copies.values() if each.state]
    epoch, master = max([*shown, *told], default=(-1, ""))
    return (master, epoch) if master and epoch >= max(epochs, default=0) else None


def handing_over(copies: t.Iterable[Copy]) -> bool:
    """Return whether a master is about to end: so long a Sentinel is of use to it. Pure."""
    return any(each.phase is Phase.STOPPING and each.state and each.state.role is Role.MASTER for each in copies)


class Sentinel:
    """The agent of one Sentinel pod."""

    def __init__(self, settings: Settings, metrics: Metrics, links: Links) -> None:
        self._settings = settings
        self._metrics = metrics
        self._links = links
        self._file = settings.data_dir / "sentinel.conf"
        self._secrets = Secrets(settings, "sentinel.acl")
        self._stopping = False
        self._child: Child | None = None
        self._tuned = False
        self._voice: Voice | None = None

    def stop(self) -> None:
        """Have run() return: for handlers of signals, which must take no lock."""
        self._stopping = True

    def alive(self) -> bool:
        """Whether the Sentinel answers, or waits to learn who is master."""
        if self._child is None:
            return True
        try:
            return bool(self._links.own(self._node).ping())
        except (redis.RedisError, OSError):
            return False

    def ready(self) -> bool:
        """Whether it and enough others can fail over."""
        if self._child is None:
            return False
        try:
            self._links.own(self._node).execute_command("SENTINEL", "CKQUORUM", self._settings.cluster().master_name)
        except (redis.RedisError, OSError):
            return False
        return True

    def state(self) -> dict[str, t.Any]:
        """Return what the data nodes decide by, where the Sentinel itself does not run."""
        voice = self._voice
        return {
            "pod": self._settings.pod,
            "kind": "sentinel",
            "blank": self._child is None,
            "master": voice.master if voice else "",
            "epoch": voice.epoch if voice else -1,
            "version": self._secrets.version,
        }

    @property
    def _node(self) -> Node:
        return self._settings.cluster().named(self._settings.pod)

    def run(self) -> int:
        """Run until stop(); returns the exit code."""
        while not self._stopping:
            memory = self._remember()
            if memory is None:
                break
            self._start(memory)
            if code := self._attend():
                return code
        if self._child:
            self._see_off()
            self._child.end(_SHUTDOWN)
        return 0

    def _see_off(self) -> None:
        """Outlive a hand-over: a node that is drained ends its Sentinel and the master on it at the same moment."""
        began = time.monotonic()
        while (gone_by := time.monotonic() - began) < self._settings.handover_seconds:
            copies, _ = self._links.everybody(self._settings.cluster(), self._settings.pod)
            if gone_by >= _SAME_MOMENT and not handing_over(copies.values()):
                return
            time.sleep(_TICK)

    def _remember(self) -> Memory | None:
        """Return what is on the disk, or what others show as soon as they do; None if it is to end."""
        with contextlib.suppress(FileNotFoundError):
            cluster = self._settings.cluster()
            known = files.remembered(self._file.read_text(encoding="utf-8"), cluster.master_name)
            if known:
                return known
        log.info("Remembers nothing: waits for a master")
        while not self._stopping:
            cluster = self._settings.cluster()
            copies, voices = self._links.everybody(cluster, self._settings.pod)
            voices.pop(self._settings.pod, None)
            if found := learn(cluster, copies, voices):
                log.info("Learnt who is master", extra={"master": found[0], "epoch": found[1]})
                return files.begun(cluster.named(found[0]), cluster, found[1])
            self._pause(_TICK)
        return None

    def _start(self, memory: Memory) -> None:
        files.write(self._file, files.sentinel_conf(self._settings, self._settings.cluster(), memory))
        self._secrets.started()
        self._tuned = False
        self._child = Child(["redis-sentinel", str(self._file)])

    def _attend(self) -> int:
        """Look after the Sentinel until it, or this agent, is to end; returns the exit code."""
        assert self._child
        while not self._stopping:
            code = self._child.poll()
            if code is not None:
                self._child = None
                self._metrics.restarts.inc()
                log.error("The Sentinel has ended by itself", extra={"code": code, "answered": self._tuned})
                return 0 if self._tuned else 1
            try:
                self._tick()
            except (redis.RedisError, OSError) as error:
                self._metrics.up.set(False)
                log.debug("The Sentinel does not answer: %s", error)
            self._pause(_TICK)
        return 0

    def _tick(self) -> None:
        cluster = self._settings.cluster()
        own = self._links.own(cluster.named(self._settings.pod))
        if not self._tuned:
            own.execute_command("SENTINEL", "DEBUG", *itertools.chain(*_TUNED.items()))
            self._tuned = True
        if self._secrets.apply(own, self._secrets.of_sentinel(cluster)):
            log.info("Users and passwords are applied", extra={"version": self._secrets.version})
        self._voice = self._links.voice(cluster.named(self._settings.pod), cluster)
        master = self._links.says(cluster.named(self._settings.pod), cluster)
        self._metrics.up.set(True)
        self._metrics.epoch.set(int(master["config-epoch"]))
        self._metrics.others.set(int(master["num-other-sentinels"]))
        self._metrics.quorum.set(self.ready())
        self._metrics.tilt.set(int(own.info("sentinel")["sentinel_tilt"]))

    def _pause(self, seconds: float) -> None:
        """Wait, but not for long once stop() was called, which can wake nobody."""
        end = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < end:
            time.sleep(_GLANCE)
