# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in a run, as data: one event for each change of an object's state."""

from __future__ import annotations

import json
import time
import typing as t
from dataclasses import asdict, dataclass, field

Stage = t.Literal["applied", "waiting", "scheduled", "started", "available", "object_gone", "pods_gone", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change. ``elapsed`` and ``time`` are seconds, since the run began and since the epoch."""

    stage: Stage
    kind: str
    namespace: str
    name: str
    message: str
    elapsed: float
    counts: dict[str, int] = field(default_factory=dict)
    time: float = field(default_factory=time.time)

    def as_json(self) -> str:
        """Return the event as one line of an NDJSON log."""
        return json.dumps({key: round(v, 3) if isinstance(v, float) else v for key, v in asdict(self).items()})


Listener = t.Callable[[Event], None]


def ignore(event: Event) -> None:
    """Do nothing: the listener of those who do not listen."""
