"""What Prometheus is told."""

from __future__ import annotations

import math
import time
import typing as t

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import CounterMetricFamily

_PREFIX = "slipway_publisher_"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_FRESH = (0.1, 0.25, 0.4, 0.5, 0.6, 0.8, 1, 1.5, 2, 2.5, 5, 10, 30)


class Metrics:
    """The publisher's metrics. Thread-safe."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        registry = self.registry
        self.leader = Gauge(f"{_PREFIX}leader", "Whether this publisher publishes.", registry=registry)
        self.generation = Gauge(f"{_PREFIX}generation", "The newest generation of the list.", registry=registry)
        self.endpoints = Gauge(f"{_PREFIX}endpoints", "How many endpoints it has.", registry=registry)
        self.template_ok = Gauge(f"{_PREFIX}template_ok", "Whether a page could be made.", registry=registry)
        self.service_found = Gauge(
            f"{_PREFIX}service_found", "Whether there is such a Service; NaN: nobody had to ask yet.", registry=registry
        )
        self.service_found.set(math.nan)
        self.relist_differences = Counter(
            f"{_PREFIX}relist_differences_total", "Lists that differed from the stream.", registry=registry
        )
        self.freshness = Histogram(
            f"{_PREFIX}freshness_seconds",
            "From a change seen to the new page in the first store.",
            buckets=_FRESH,
            registry=registry,
        )
        self._publishes = Counter(
            f"{_PREFIX}publishes_total", "Attempts to write to a store.", ["target", "result"], registry=registry
        )
        self._seconds = Histogram(
            f"{_PREFIX}publish_seconds",
            "How long it took to write to a store, where that went well.",
            ["target"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._last = Gauge(
            f"{_PREFIX}last_success_timestamp_seconds",
            "When a store was last seen to be up to date, in Unix seconds.",
            ["target"],
            registry=registry,
        )
        self._conflicts = Counter(
            f"{_PREFIX}conflicts_total", "Writes that somebody else's came before.", ["target"], registry=registry
        )
        self._atomic = Gauge(
            f"{_PREFIX}atomic", "Whether a store's conditional writes are atomic.", ["target"], registry=registry
        )

    def of_target(self, target: str) -> None:
        """Have the metrics of a target that nothing was written to yet."""
        self._publishes.labels(target, "success")
        self._conflicts.labels(target)
        self._last.labels(target)

    def published(self, target: str, result: str, seconds: float) -> None:
        """Note how an attempt ended."""
        self._publishes.labels(target, result).inc()
        if result == "success":
            self._seconds.labels(target).observe(seconds)

    def up_to_date(self, target: str) -> None:
        """Note that a store has what it should."""
        self._last.labels(target).set(time.time())

    def conflict(self, target: str) -> None:
        """Note that a write came too late."""
        self._conflicts.labels(target).inc()

    def atomic(self, target: str, atomic: bool) -> None:
        """Note what the probe has found."""
        self._atomic.labels(target).set(atomic)

    def watch(self, restarts: t.Callable[[], int]) -> None:
        """Have the number of broken streams read at each scrape."""
        self.registry.register(_AtScrape(restarts))


class _AtScrape:
    """Reads at each scrape what would have to be kept up to date otherwise."""

    def __init__(self, restarts: t.Callable[[], int]) -> None:
        self._restarts = restarts

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Return no metrics: so that registering this asks for none."""
        return []

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the metrics as they are now."""
        from prometheus_client.core import CounterMetricFamily

        yield CounterMetricFamily(
            f"{_PREFIX}stream_restarts", "How often the stream began anew.", value=self._restarts()
        )
