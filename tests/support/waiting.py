"""Bounded waits on conditions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def eventually(probe: Callable[[], T], *, within: float, what: str, every: float = 0.1) -> T:
    """Return the first truthy answer of `probe`; an `AssertionError` it raises counts as "not yet".

    `within` and `every` are seconds. Raises `AssertionError` with the last answer when the time is over.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            answer: T | AssertionError = probe()
        except AssertionError as error:
            answer = error
        if answer and not isinstance(answer, AssertionError):
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not within {within:g} s; last answer: {answer!r}")
        time.sleep(every)
