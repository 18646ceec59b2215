"""When a change is published. Pure."""

from __future__ import annotations

import math


class Debounce:
    """Due after so many seconds without a further change, but not later than so many after the first one."""

    def __init__(self, quiet: float, longest: float) -> None:
        self._quiet = quiet
        self._longest = longest
        self.first: float | None = None
        self._last = 0.0

    def change(self, at: float) -> None:
        """Note a change, in seconds of any clock that does not go back."""
        self.first = at if self.first is None else self.first
        self._last = at

    def settle(self) -> None:
        """Forget all changes: they were published, or came to nothing."""
        self.first = None

    @property
    def due(self) -> float:
        """When to publish; infinity if nothing has changed."""
        return math.inf if self.first is None else min(self._last + self._quiet, self.first + self._longest)
