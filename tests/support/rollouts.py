"""Healthy roll-outs, in which nothing is to be found wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.slipway.cloud.plugins.module_utils.engine import client, lifecycle
from tests.support.causes import container, deployment

if TYPE_CHECKING:
    from tests.support.kubernetes import Kubernetes

BUSY = 0.9  # of a core, which the API server is to use meanwhile
CLUSTERS = 10
ROLL_OUTS = 2 * CLUSTERS
TIMEOUT = 120.0


def roll_out(kubernetes: Kubernetes, namespace: str, image: str) -> list[str]:
    """Create clusters and replace all their pods; return what was said to be wrong."""
    names = [f"healthy-{number}" for number in range(CLUSTERS)]
    clusters = [deployment(name, namespace, container(image), replicas=2) for name in names]
    options = lifecycle.Options(timeout=TIMEOUT)
    with client.connect(client.Connection(kubeconfig=str(kubernetes.kubeconfig))) as connected:
        results = lifecycle.ensure_present(connected, clusters, options)
        results += lifecycle.restart(connected, clusters, options)
        lifecycle.ensure_absent(connected, clusters, options)
    assert len(results) == ROLL_OUTS
    return [f"{each.name}: {each.cause.code}: {each.cause.summary}" for each in results if each.cause]
