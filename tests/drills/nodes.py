"""The nodes under the pool, on the VMs of `make up`: each drained and rebooted, the announcing one without power."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.support.kubernetes import Kubernetes
from tests.support.listing_live import BACK, GOOD_IN_A_ROW, Site, node_maintained, power_cuts, rolling_restart

if TYPE_CHECKING:
    from collections.abc import Callable

CUTS = 5
TITLE = (
    f"Drill nodes: nothing noticed of restarts and maintenance; {GOOD_IN_A_ROW} good requests in a row "
    f"{BACK:g} s after a power cut"
)


def steps() -> dict[str, Callable[[], str]]:
    """The pool, each node, then the power."""
    nodes = {f"{node} drained and rebooted": partial(maintained, node) for node in Kubernetes().addresses}
    return {
        "pool restarted": lambda: rolling_restart(Site()),
        **nodes,
        f"power cut, {CUTS} times": lambda: power_cuts(Site(), CUTS),
    }


def maintained(node: str) -> str:
    """Take a node out and in again."""
    return node_maintained(Site(), node)
