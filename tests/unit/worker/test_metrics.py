"""What Prometheus gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest
from slipway_worker.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Mapping


class State:
    """Streams and certificates as a test says that they are."""

    def __init__(self) -> None:
        self.age, self.count, self.end = 1.5, 2, 1.8e9

    def ages(self) -> Mapping[tuple[str, str], float]:
        """One stream."""
        return {("pods", "clusters"): self.age}

    def restarts(self) -> Mapping[tuple[str, str], int]:
        """Of that stream."""
        return {("pods", "clusters"): self.count}

    def ends(self) -> Mapping[str, float]:
        """One certificate."""
        return {"server": self.end}


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Return the value of one sample, None if there is none."""
    return metrics.registry.get_sample_value(name, labels)


def test_calls_are_counted_by_method_and_code() -> None:
    metrics = Metrics()
    metrics.observe_request("CreateCluster", "OK", 3.0)
    metrics.observe_request("CreateCluster", "OK", 0.003)
    metrics.observe_request("CreateCluster", "NOT_FOUND", 0.1)
    labels = {"method": "CreateCluster", "code": "OK"}
    assert sample(metrics, "slipway_request_seconds_count", **labels) == 2
    assert sample(metrics, "slipway_request_seconds_sum", **labels) == pytest.approx(3.003)
    assert sample(metrics, "slipway_request_seconds_bucket", le="0.005", **labels) == 1


def test_phases_and_our_own_time_are_histograms() -> None:
    metrics = Metrics()
    metrics.observe_phases("CreateCluster", {"applied": 0.1, "available": 4.0})
    metrics.own("CreateCluster", "before_api", 0.002)
    assert sample(metrics, "slipway_phase_seconds_sum", method="CreateCluster", phase="available") == 4.0
    assert sample(metrics, "slipway_own_seconds_sum", method="CreateCluster", part="before_api") == 0.002


def test_calls_under_way_joins_and_conflicts() -> None:
    metrics = Metrics()
    metrics.show(["GetCluster"])
    assert sample(metrics, "slipway_in_flight", method="GetCluster") == 0
    with metrics.in_flight("GetCluster"):
        assert sample(metrics, "slipway_in_flight", method="GetCluster") == 1
    metrics.joined()
    metrics.conflict()
    metrics.conflict()
    assert sample(metrics, "slipway_in_flight", method="GetCluster") == 0
    assert sample(metrics, "slipway_joins_total") == 1
    assert sample(metrics, "slipway_conflicts_total") == 2


def test_streams_and_certificates_are_read_at_each_scrape() -> None:
    metrics, state = Metrics(), State()
    metrics.watch(state, state)
    stream = {"resource": "pods", "namespace": "clusters"}
    assert sample(metrics, "slipway_cache_age_seconds", **stream) == 1.5
    assert sample(metrics, "slipway_stream_restarts_total", **stream) == 2
    state.age, state.count, state.end = 3.5, 4, 1.9e9
    assert sample(metrics, "slipway_cache_age_seconds", **stream) == 3.5
    assert sample(metrics, "slipway_stream_restarts_total", **stream) == 4
    assert sample(metrics, "slipway_certificate_end_timestamp_seconds", which="server") == 1.9e9


def test_two_of_them_know_nothing_of_each_other() -> None:
    one, other = Metrics(), Metrics()
    one.joined()
    assert sample(other, "slipway_joins_total") == 0


def test_what_is_told_is_of_this_process_too() -> None:
    text = generate_latest(Metrics().registry).decode()
    assert "# TYPE slipway_request_seconds histogram" in text
    assert "process_resident_memory_bytes" in text
