"""How soon the module knows that a cluster is available, and its process ends: compared with an independent watcher."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from dataclasses import asdict, astuple, dataclass
from math import ceil
from typing import TYPE_CHECKING

from kubernetes import client, config, watch

from tests.support.ansible import module
from tests.support.kubernetes import succeed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.bench.contenders import Site

NAME = "detected"


@dataclass(frozen=True)
class Lag:
    """Seconds after the watcher saw a cluster available: until the engine said so, and until the command had ended."""

    detected: float
    ended: float


LIMITS = Lag(detected=0.2, ended=0.6)


def p95(seen: Sequence[Lag]) -> Lag:
    """What 95 % of them keep within (nearest rank)."""
    rank = ceil(0.95 * len(seen)) - 1
    return Lag(*(sorted(values)[rank] for values in zip(*map(astuple, seen), strict=True)))


def too_late(seen: Sequence[Lag]) -> list[str]:
    """Which limits are broken."""
    found = p95(seen)
    return [
        f"{name} {value:.2f} s after an independent watcher (p95), more than {getattr(LIMITS, name):g} s"
        for name, value in asdict(found).items()
        if value > getattr(LIMITS, name)
    ]


class Watcher(threading.Thread):
    """Watches one Deployment by the official client and notes when it is seen available, as seconds of the epoch."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self._api = client.AppsV1Api(config.new_client_from_config(str(site.kubernetes.kubeconfig)))
        self._namespace = site.namespace
        listed = self._api.list_namespaced_deployment(site.namespace)
        self._version = listed.metadata.resource_version if listed.metadata else None
        self.seen = 0.0

    def run(self) -> None:
        """Watch until it is there."""
        with closing(
            watch.Watch().stream(
                self._api.list_namespaced_deployment,
                self._namespace,
                resource_version=self._version,
                timeout_seconds=60,
            )
        ) as events:
            for event in events:
                if event["object"].metadata.name == NAME and event["object"].status.available_replicas:
                    self.seen = time.time()
                    return


def lags(count: int, site: Site) -> Iterator[Lag]:
    """Create a cluster of one pod so many times, each by a command of its own."""
    for _ in range(count):
        yield _lag(site)


def _lag(site: Site) -> Lag:
    events = site.scratch / "events.ndjson"
    events.unlink(missing_ok=True)
    same = {"name": NAME, "namespace": site.namespace}
    watcher = Watcher(site)
    watcher.start()
    options = {**same, "image": site.image, "events_path": str(events)}
    succeed(module("cluster", options, kubeconfig=site.kubernetes.kubeconfig))
    ended = time.time()
    watcher.join(timeout=10)
    assert watcher.seen, "the watcher never saw it available"
    succeed(module("cluster", {**same, "state": "absent"}, kubeconfig=site.kubernetes.kubeconfig))
    return Lag(_available(events) - watcher.seen, ended - watcher.seen)


def _available(events: Path) -> float:
    """When the engine said that the cluster is available."""
    logged = map(json.loads, events.read_text().splitlines())
    return float(next(event["time"] for event in logged if event["stage"] == "available"))
