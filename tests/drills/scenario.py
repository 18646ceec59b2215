"""The seed's scenario by the worker and by kubectl in turns, on the VMs of `make up`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.contenders import Site
from tests.support.kubernetes import Kubernetes
from tests.support.worker_live import scenarios

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, FACTOR = 5, 1.2
TITLE = (
    f"Drill scenario: 30 replicas by the worker within {FACTOR} times kubectl, medians of {ROUNDS} alternating rounds"
)


def steps() -> dict[str, Callable[[], str]]:
    """One step: medians are of one run."""
    return {f"{ROUNDS} rounds": raced}


def raced() -> str:
    """Race, and return the medians."""
    kubernetes = Kubernetes()
    namespace = kubernetes.new_namespace()
    try:
        with tempfile.TemporaryDirectory() as home:
            site = Site(kubernetes, namespace, kubernetes.image("registry.k8s.io/pause"), Path(home))
            times = scenarios(site, rounds=ROUNDS)
    finally:
        kubernetes.kubectl("delete", "namespace", namespace, "--wait=false")
    slow = times.too_slow(FACTOR)
    assert not slow, f"too slow: {', '.join(slow)}; {times}"
    return str(times)
