# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in a run, as data: one event for each change of an object's state."""

from __future__ import annotations

import json
import time
import typing as t
from dataclasses import asdict, dataclass, field

from .resources import title

Stage = t.Literal[
    "applied",
    "waiting",
    "scheduled",
    "started",
    "available",
    "object_gone",
    "pods_gone",
    "failed",
    "warning",
    "answered",
]
Milestone = t.Literal["", "executed", "took effect", "failed"]
"""What everybody waits for: accepted by the API server, then true in the Kubernetes, or never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change. ``elapsed`` and ``time`` are seconds, since the run began and since the epoch.

    ``milestone`` is empty for what lies between the change that was executed and its effect.
    A ``warning`` is of all objects of its kind and namespace, and has the name C(*).
    """

    stage: Stage
    kind: str
    namespace: str
    name: str
    message: str
    elapsed: float
    milestone: Milestone = ""
    counts: dict[str, int] = field(default_factory=dict)
    time: float = field(default_factory=time.time)

    def as_json(self) -> str:
        """Return the event as one line of an NDJSON log."""
        return json.dumps({key: round(v, 3) if isinstance(v, float) else v for key, v in asdict(self).items()})


Listener = t.Callable[[Event], None]


def line(event: Event) -> str:
    """Return the event as a line for people."""
    what = title(event.kind, event.name, event.namespace)
    said = f": {event.message}" if event.message else ""
    return f"{event.elapsed:7.2f} s  {event.milestone or event.stage:11}  {what}{said}"


def to_all(listeners: t.Sequence[Listener]) -> Listener:
    """Return a listener that tells several others."""

    def tell(event: Event) -> None:
        for each in listeners:
            each(event)

    return tell


def ignore(event: Event) -> None:
    """Do nothing: the listener of those who do not listen."""
