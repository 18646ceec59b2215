"""What the worker adds to the API server's work, in short: what `make bench` measures with more of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench.worker import Bounds, Size, broken, measure, table

if TYPE_CHECKING:
    from tests.support.worker_site import Site


@pytest.mark.alone
def test_it_adds_little(site: Site) -> None:
    # Bursts this short are over before the controllers begin, which favours the other clients: `make bench` judges.
    bounds = Bounds(creates=0.25)
    result = measure(site, Size(calls=100, rounds=3, creates=100, waits=200, deletes=10, patience=2))
    print(table(result, bounds))
    assert broken(result, bounds) == []
