"""Changes of the pool, each on its own, on the VMs of `make up`: how soon are they on the page?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.calm import calm
from tests.support.listing_live import FRESH, WORST, Site, fresh, out_and_back

if TYPE_CHECKING:
    from collections.abc import Callable

CHANGES, PARTS = 200, 5
TITLE = f"Drill listing-freshness: {CHANGES} isolated changes read in {FRESH:g} s (95 of 100), {WORST:g} s (all)"


def steps() -> dict[str, Callable[[], str]]:
    """Parts of equal size, then the pool scaled out and back."""
    parts = {f"{number} of {PARTS}": part for number in range(1, PARTS + 1)}
    return {**parts, "2 to 30 and back": lambda: out_and_back(Site())}


def part() -> str:
    """Have its part of the changes."""
    calm()
    return fresh(Site(), CHANGES // PARTS)
