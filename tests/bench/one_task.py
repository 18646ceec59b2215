"""`python -m tests.bench.one_task KUBECONFIG NAMESPACE CLUSTERS`: one task of the engine, alone in its process.

So its memory is its own. Prints what it took as JSON; times in seconds, memory in MiB.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.progress import Event

CONCURRENCY = 8


def clusters(namespace: str, count: int) -> list[dict[str, Any]]:
    """The Deployments of so many clusters of one pod each."""
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.cluster import Cluster, deployment

    names = [f"scale-{number}" for number in range(count)]
    return [deployment(Cluster(name=name, namespace=namespace, image="none", replicas=1)) for name in names]


def memory() -> float:
    """The most that this program has had in memory; getrusage(2) would count what the process was before its exec."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def task(kubeconfig: str, namespace: str, count: int) -> dict[str, Any]:
    """Create the clusters and wait for them."""
    interpreter = memory()
    from ansible_collections.slipway.cloud.plugins.module_utils.engine import client, lifecycle

    streams = 0

    def listen(event: Event) -> None:
        nonlocal streams
        if event.milestone == "took effect":
            streams = max(streams, sum(thread.name.startswith("watch ") for thread in threading.enumerate()))

    options = lifecycle.Options(timeout=300, concurrency=CONCURRENCY, listener=listen)
    with client.connect(client.Connection(kubeconfig=kubeconfig)) as connected:
        began = time.monotonic()
        results = lifecycle.ensure_present(connected, clusters(namespace, count), options)
        ended = time.monotonic()
    applied = [result.phases["applied"] for result in results]
    return {
        "causes": [result.cause.summary for result in results if result.cause],
        "streams": streams,
        "memory": memory() - interpreter,
        "cpu": time.process_time(),
        "post": max(applied) - min(applied),
        "seconds": ended - began,
        "ended": ended,  # of the clock that all processes share
    }


if __name__ == "__main__":
    print(json.dumps(task(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
