"""The site is up: every row of its table holds, of those that its user may ask about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.live.site_table import ROWS, Row, complaint
from tests.support.kubernetes import Kubernetes

# A user's own kubeconfig and namespace; without them an admin's, who may ask about everything.
KUBECONFIG = os.environ.get("SLIPWAY_KUBECONFIG")
NAMESPACE = os.environ.get("SLIPWAY_NAMESPACE", "clusters")


@pytest.mark.parametrize("row", [row for row in ROWS if row.in_namespace or not KUBECONFIG], ids=lambda row: row.call)
def test_row(row: Row) -> None:
    kubernetes = Kubernetes(own_kubeconfig=Path(KUBECONFIG) if KUBECONFIG else None)
    assert complaint(row, kubernetes.kubectl, namespace=NAMESPACE) == ""
