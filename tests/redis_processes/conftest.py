"""Redis, its Sentinels, agents and the counter as processes on loopback, with the API server of tests/integration."""

from __future__ import annotations

from tests.integration.conftest import api, kubeconfig, namespace, proxy

__all__ = ["api", "kubeconfig", "namespace", "proxy"]
