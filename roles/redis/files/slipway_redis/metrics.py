"""What Prometheus is told."""

from __future__ import annotations

import typing as t

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

if t.TYPE_CHECKING:
    from .model import Copy, Evidence, Live, Named

_PREFIX = "slipway_redis_"
_PAUSES = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)


class Metrics:
    """The agent's metrics. Thread-safe."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(_PREFIX + name, text, labels, registry=registry)

        self.up = gauge("up", "Whether the Redis or Sentinel of this pod runs.")
        self.master = gauge("master", "Whether this Redis is a master.")
        self.named = gauge("named", "Whether a majority of the Sentinels names this node.")
        self.epoch = gauge("epoch", "The epoch of this copy, or of what this Sentinel says.")
        self.offset = gauge("offset_bytes", "The replication offset of this Redis.")
        self.link_up = gauge("link_up", "Whether a replica is in sync with its master.")
        self.lag = gauge("lag_seconds", "Seconds since a replica has heard of its master.")
        self.replicas = gauge("replicas", "Replicas in sync with this master.")
        self.keys = gauge("keys", "Keys in this Redis.")
        self.promotable = gauge("promotable", "Whether the Sentinels may make this Redis the master.")
        self.cold_start_blocked = gauge("cold_start_blocked", "Whether an operator has to say who is master.")
        self.copies = gauge("copies_known", "Data nodes that answer, with this one.")
        self.sentinels = gauge("sentinels_known", "Sentinels that answer.")
        self.masters = gauge("masters_known", "Masters among the data nodes that answer.")
        self.tilt = gauge("sentinel_tilt", "Whether this Sentinel does nothing because its time is not to be trusted.")
        self.others = gauge("sentinel_others", "Other Sentinels that this one knows.")
        self.quorum = gauge("sentinel_quorum_ok", "Whether enough Sentinels answer for a failover.")
        self.deposed = Counter(f"{_PREFIX}deposed_total", "Times this master had to step down.", registry=registry)
        self.restarts = Counter(f"{_PREFIX}restarts_total", "Times the process had ended by itself.", registry=registry)
        self.handovers = Counter(f"{_PREFIX}handovers_total", "Hand-overs tried.", ["result"], registry=registry)
        self.paused = Histogram(
            f"{_PREFIX}handover_paused_seconds", "How long writes were paused.", buckets=_PAUSES, registry=registry
        )
        for result in ("success", "failure"):
            self.handovers.labels(result)

    def seen(self, evidence: Evidence, named: Named | None) -> None:
        """Note what answers."""
        lives = [each.live for each in evidence.copies.values() if each.live]
        self.copies.set(len(evidence.copies))
        self.sentinels.set(len(evidence.voices))
        self.masters.set(sum(each.role == "master" for each in lives))
        self.named.set(named is not None and named.master == evidence.me)

    def own(self, copy: Copy, live: Live | None) -> None:
        """Note what this node has."""
        self.up.set(live is not None)
        self.epoch.set(copy.state.epoch if copy.state else -1)
        if live:
            self.master.set(live.role == "master")
            self.offset.set(live.offset)
            self.link_up.set(live.link_up)
            self.lag.set(live.lag)
            self.replicas.set(live.replicas)
            self.keys.set(live.dbsize)
