"""The worker without its API server for a minute, before a simulated Kubernetes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.authority import Authority
from tests.support.worker_away import away
from tests.support.worker_site import a_site

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS, INACTIVITY = 60.0, 10.0
TITLE = f"Drill worker-away: the API server is away for {SECONDS:g} s"


def steps() -> dict[str, Callable[[], str]]:
    """Five times the same."""
    return {f"{number} of 5": once for number in range(1, 6)}


def once() -> str:
    """Take the API server away; return what was seen."""
    with tempfile.TemporaryDirectory() as home, a_site(Path(home), Authority.new("slipway drill")) as site:
        return away(site, seconds=SECONDS, inactivity=INACTIVITY)
