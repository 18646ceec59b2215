"""What can go wrong, for people: what happened, and what to do about it."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .failures import Failure


class SlipwayctlError(Exception):
    """Base of all errors that a user is meant to read."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class SetupError(SlipwayctlError):
    """No way to a worker can be laid: trying again does not help."""


class NoWorkerError(SlipwayctlError):
    """No worker can be reached just now: trying again may help."""


class LookUpError(NoWorkerError):
    """Kubernetes does not say which workers there are."""


class CallFailedError(SlipwayctlError):
    """A call was answered by an error, or by nothing until its deadline."""

    def __init__(self, failure: Failure, remedy: str = "") -> None:
        super().__init__(failure.message, remedy)
        self.failure = failure
