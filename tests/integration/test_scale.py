"""Many clusters in one task, in the short form: what `make bench` measures with more of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench.scale import Bounds, broken, measure
from tests.support.simulated import SimulatedKubernetes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.alone
def test_hundred_clusters_on_simulated_nodes(tmp_path: Path) -> None:
    with SimulatedKubernetes(tmp_path, nodes=100) as kubernetes:
        result = measure(kubernetes, 100, patience=2)
    print(result)
    # Looser than in `make bench`: one round of a second each tells no more.
    assert broken(result, Bounds(post=2.0)) == []
