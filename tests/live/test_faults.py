"""Redis while something is done to it: no writer loses what it was acknowledged. In full: the drills redis-*."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.faults import FAULTS
from tests.faults.redis_site import Site
from tests.faults.report import beyond
from tests.faults.run import run
from tests.support.calm import calm

if TYPE_CHECKING:
    from tests.support.kubernetes import Kubernetes

ACKS = 2000
CORE = ("pod-delete", "kill", "disk", "partition", "power", "all-power")


@pytest.mark.parametrize("name", CORE)
def test_fault(kubernetes: Kubernetes, name: str) -> None:
    calm()
    report = run(Site(kubernetes), name, FAULTS[name], acks=ACKS)
    print(report.text())
    assert not beyond([report], FAULTS[name])
