# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error of the engine. A message says what failed, on which object, and what to do."""

from __future__ import annotations

import difflib
import typing as t

Status = t.Mapping[str, t.Any]


def nearest(name: str, known: t.Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return the known name that was probably meant, for a "did you mean"; empty if none is like it enough."""
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), "")


class EngineError(Exception):
    """Base of all errors that a user is meant to read; ``code`` is stable, lower snake case."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.code


class ConfigurationError(EngineError):
    """The kubeconfig, its context or its credentials cannot be used; nothing was sent."""

    code = "configuration_invalid"


class InvalidInputError(EngineError):
    """The caller's objects are wrong; ``problems`` lists everything found, one line each."""

    code = "invalid_input"

    def __init__(self, problems: t.Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


class UnreachableError(EngineError):
    """No answer came from the API server; ``retryable`` is False where trying again cannot help."""

    code = "api_unreachable"

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class StreamError(EngineError):
    """A watch ended other than by the server's own time-out: cut, stalled, or closed by us."""

    code = "stream_broken"


class ApiError(EngineError):
    """The API server answered with an error.

    :param status: the HTTP status code, or the one inside an ERROR event of a watch.
    :param body: the Status object that came with it, if any.
    :param retry_after: seconds the server asks us to wait, if it says so.
    """

    code = "api_error"

    def __init__(self, message: str, *, status: int, body: Status, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.retry_after = retry_after


class UnauthorizedError(ApiError):
    """401: who we are is not known, or no longer."""

    code = "unauthorized"


class ForbiddenError(ApiError):
    """403: by access rights, quota or an admission plugin; ``code`` tells which."""

    code = "forbidden"


class NotFoundError(ApiError):
    """404: the object or its namespace does not exist."""

    code = "not_found"


class ConflictError(ApiError):
    """409: the object changed, or is another one than the caller meant."""

    code = "conflict"


class ExpiredError(ApiError):
    """410: the revision is older than what the server remembers; list again."""

    code = "expired"


class RejectedError(ApiError):
    """400 or 422: the server's validation refused the object."""

    code = "invalid_input"


class NotOursError(EngineError):
    """An object of that name exists that this project did not make; it is neither adopted nor deleted."""

    code = "not_ours"


_BY_STATUS: dict[int, type[ApiError]] = {
    400: RejectedError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: RejectedError,
}

_REMEDIES: dict[str, str] = {
    "unauthorized": "The credentials have expired or are wrong: log in again or fetch a new kubeconfig.",
    "forbidden": "Ask for a Role that allows it, or use another kubeconfig, context or user.",
    "quota_exceeded": "Raise the ResourceQuota, free what counts against it, or ask for less.",
    "admission_denied": "An admission plugin or webhook of the server refused it: satisfy its rule.",
    "webhook_unavailable": "Whoever registered the webhook has to answer: does its pod run?",
    "namespace_missing": "Create the namespace, or name another one.",
    "namespace_terminating": "Wait until the namespace is gone and create it again, or name another one.",
}


def _refined_code(code: str, body: Status) -> str:
    """What the status code alone does not tell, from the Status object."""
    message, details = str(body.get("message", "")), body.get("details") or {}
    causes = {cause.get("reason") for cause in details.get("causes") or []}
    if code == "forbidden":
        if "NamespaceTerminating" in causes:
            return "namespace_terminating"
        if "exceeded quota" in message:
            return "quota_exceeded"
        # Only the authorizer says who may not do what.
        return code if "User " in message and " cannot " in message else "admission_denied"
    if "failed calling webhook" in message:
        return "webhook_unavailable"
    if code == "not_found" and details.get("kind") == "namespaces":
        return "namespace_missing"
    return code


def api_error(action: str, *, status: int, body: Status, retry_after: float | None = None) -> ApiError:
    """Return the error of an HTTP answer.

    :param action: what was attempted, on which object, as in ``apply Deployment demo in namespace clusters``.
    :param body: the Status object, or ``{"message": text}`` where the server sent something else.
    """
    said = str(body.get("message") or f"HTTP status {status}").strip().rstrip(".")
    if said.endswith("field not declared in schema"):
        status = 422  # an apply with an unknown field: the server says 500, but it is the object that is wrong
    kind = _BY_STATUS.get(status, ApiError)
    code = _refined_code(kind.code, body)
    parts = [f"Cannot {action}: {said}.", _REMEDIES.get(code, "")]
    error = kind(" ".join(filter(None, parts)), status=status, body=body, retry_after=retry_after)
    error.code = code
    return error
