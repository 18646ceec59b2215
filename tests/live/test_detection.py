"""What the module waits for it sees as soon as anybody, and then it ends."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from tests.bench.contenders import Site
from tests.bench.detection import lags

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.kubernetes import Kubernetes


def test_seen_at_once(kubernetes: Kubernetes, namespace: str, pause: str, tmp_path: Path) -> None:
    seen = list(lags(5, Site(kubernetes, namespace, pause, tmp_path)))
    print(seen)
    assert median(lag.detected for lag in seen) <= 0.2
    assert median(lag.ended for lag in seen) <= 0.6
