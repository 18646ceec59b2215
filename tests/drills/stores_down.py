"""The stores of the listing away, on the VMs of `make up`: one, then all of them; one comes back with nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.listing_live import Site, store_emptied, stores_away

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS, REQUESTS = 300.0, 30_000
TITLE = f"Drill stores-down: all stores away for {SECONDS / 60:g} minutes, {REQUESTS} requests; one emptied"


def steps() -> dict[str, Callable[[], str]]:
    """One step for each."""
    return {"away": lambda: stores_away(Site(), SECONDS, REQUESTS), "emptied": lambda: store_emptied(Site())}
