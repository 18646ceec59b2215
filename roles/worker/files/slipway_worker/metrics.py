"""What Prometheus is told, in a registry of its own."""

from __future__ import annotations

import typing as t

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if t.TYPE_CHECKING:
    import contextlib

    from prometheus_client.metrics_core import Metric

# Seconds. A request is over in milliseconds, or as soon as pods are, which may take minutes.
_OF_REQUESTS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300, 900)
_OF_OUR_OWN = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)

Part = t.Literal["before_api", "after_api"]
StreamKey = tuple[str, str]  # plural of the resource, namespace


class Streams(t.Protocol):
    """What is asked of the fleet at each scrape."""

    def ages(self) -> t.Mapping[StreamKey, float]:
        """Seconds since each stream was last heard of."""

    def restarts(self) -> t.Mapping[StreamKey, int]:
        """How often each stream began anew."""


class Ends(t.Protocol):
    """What is asked of the certificates at each scrape."""

    def ends(self) -> t.Mapping[str, float]:
        """When they end, in Unix seconds, by what they are for."""


class Metrics:
    """The worker's metrics. Thread-safe."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Histogram(
            "slipway_request_seconds",
            "How long calls took, by the code that they ended with.",
            ["method", "code"],
            buckets=_OF_REQUESTS,
            registry=self.registry,
        )
        self._phases = Histogram(
            "slipway_phase_seconds",
            "When the stages of a call were reached, since it arrived.",
            ["method", "phase"],
            buckets=_OF_REQUESTS,
            registry=self.registry,
        )
        self._own = Histogram(
            "slipway_own_seconds",
            "The worker's own time in a call: before it asked the API server, and after that had answered.",
            ["method", "part"],
            buckets=_OF_OUR_OWN,
            registry=self.registry,
        )
        self._in_flight = Gauge("slipway_in_flight", "Calls under way.", ["method"], registry=self.registry)
        self._joins = Counter("slipway_joins_total", "Calls that joined another one's wait.", registry=self.registry)
        self._conflicts = Counter(
            "slipway_conflicts_total", "Writes that somebody else's came before.", registry=self.registry
        )

    def show(self, methods: t.Iterable[str]) -> None:
        """Have gauges of methods that have not been called yet: none is under way."""
        for method in methods:
            self._in_flight.labels(method)

    def observe_request(self, method: str, code: str, seconds: float) -> None:
        """Note how a call ended."""
        self._requests.labels(method, code).observe(seconds)

    def observe_phases(self, method: str, phases: t.Mapping[str, float]) -> None:
        """Note when the stages of a call were reached, in seconds since it arrived."""
        for phase, seconds in phases.items():
            self._phases.labels(method, phase).observe(seconds)

    def own(self, method: str, part: Part, seconds: float) -> None:
        """Note the worker's own time in one part of a call."""
        self._own.labels(method, part).observe(seconds)

    def in_flight(self, method: str) -> contextlib.AbstractContextManager[object]:
        """Count a call as under way meanwhile."""
        return self._in_flight.labels(method).track_inprogress()

    def joined(self) -> None:
        """Note that a call joined another one's wait."""
        self._joins.inc()

    def conflict(self) -> None:
        """Note that a write came too late."""
        self._conflicts.inc()

    def watch(self, streams: Streams, certificates: Ends) -> None:
        """Have the state of streams and certificates read at each scrape."""
        self.registry.register(_AtScrape(streams, certificates))


class _AtScrape(Collector):
    """Reads at each scrape what would have to be kept up to date otherwise."""

    def __init__(self, streams: Streams, certificates: Ends) -> None:
        self._streams = streams
        self._certificates = certificates

    def describe(self) -> t.Iterable[Metric]:
        """Return no metrics: so that registering this asks for none."""
        return []

    def collect(self) -> t.Iterable[Metric]:
        """Return the metrics as they are now."""
        ages = GaugeMetricFamily(
            "slipway_cache_age_seconds",
            "Seconds since a stream from the API server was last heard of.",
            labels=["resource", "namespace"],
        )
        restarts = CounterMetricFamily(
            "slipway_stream_restarts", "How often a stream began anew.", labels=["resource", "namespace"]
        )
        ends = GaugeMetricFamily(
            "slipway_certificate_end_timestamp_seconds",
            "When a certificate ends, in Unix seconds.",
            labels=["which"],
        )
        for key, age in self._streams.ages().items():
            ages.add_metric(key, age)
        for key, count in self._streams.restarts().items():
            restarts.add_metric(key, count)
        for which, end in self._certificates.ends().items():
            ends.add_metric([which], end)
        return [ages, restarts, ends]
