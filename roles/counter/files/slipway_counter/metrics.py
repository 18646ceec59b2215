"""What Prometheus is told."""

from __future__ import annotations

import typing as t

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from .outcomes import Fate

if t.TYPE_CHECKING:
    from .outcomes import Outcome

_PREFIX = "slipway_counter_"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The counter's metrics. Thread-safe."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            f"{_PREFIX}requests_total",
            "Requests to count, by what became of them: counted, repeated, not_counted, unknown.",
            ["fate"],
            registry=registry,
        )
        self._reads = Counter(f"{_PREFIX}reads_total", "Requests to read.", ["result"], registry=registry)
        self._seconds = Histogram(
            f"{_PREFIX}seconds", "How long counting took, where it went well.", buckets=_SECONDS, registry=registry
        )
        self._retries = Counter(
            f"{_PREFIX}retries_total", "Tries that failed and were made again.", ["code"], registry=registry
        )
        self._switches = Counter(f"{_PREFIX}switches_total", "How often there was another master.", registry=registry)
        self._sentinels = Gauge(
            f"{_PREFIX}sentinels", "How many Sentinels name the master that most of them name.", registry=registry
        )
        for fate in (*(each.value for each in Fate), "repeated"):
            self._requests.labels(fate)
        for result in ("success", "failure"):
            self._reads.labels(result)

    def counted(self, outcome: Outcome, seconds: float) -> None:
        """Note what became of a request to count."""
        self._requests.labels("repeated" if outcome.repeated else outcome.fate.value).inc()
        if outcome.fate is Fate.COUNTED:
            self._seconds.observe(seconds)

    def read(self, good: bool) -> None:
        """Note whether the count could be read."""
        self._reads.labels("success" if good else "failure").inc()

    def retried(self, code: str) -> None:
        """Note a new try, and why."""
        self._retries.labels(code).inc()

    def switched(self) -> None:
        """Note that there is another master."""
        self._switches.inc()

    def sentinels(self, agreeing: int) -> None:
        """Note how many Sentinels agree."""
        self._sentinels.set(agreeing)
