"""Why a call failed, as data, and what follows: whether to ask again, and when. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2 as details_pb
from google.rpc import status_pb2
from slipway.v1 import clusters_pb2

if t.TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any

DETAILS_KEY = "grpc-status-details-bin"

_FIRST_PAUSE = 0.1  # seconds
_LONGEST_PAUSE = 0.8  # seconds: a driver is to go on soon after a worker is there
_WORTH_TRYING = 1.0  # seconds that must be left after a deadline of the worker's own, else it was ours

# What gRPC says of a call that it could not send at all, and of one whose connection broke.
_UNSENT = re.compile(
    r"(?i)failed to connect to all|connections to all backends|errors resolving|DNS resolution failed|empty address"
)
_BROKEN = re.compile(r"(?i)stream removed|rst_stream|goaway|socket closed|connection (reset|closed)|broken pipe")
_DISTRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED|Hostname Verification Check failed|WRONG_VERSION_NUMBER")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed call.

    ``told`` says that it is the worker's own answer, with details; ``reason`` and ``metadata`` are of its ErrorInfo,
    ``violations`` lines as C(spec.replicas: must not be negative), ``retry_after`` seconds.
    """

    code: grpc.StatusCode
    message: str
    told: bool = False
    reason: str = ""
    metadata: t.Mapping[str, str] = field(default_factory=dict)
    violations: tuple[str, ...] = ()
    retry_after: float | None = None
    cause: clusters_pb2.Cause | None = None

    @property
    def unsent(self) -> bool:
        """Whether the call cannot have reached a worker."""
        return self.code is grpc.StatusCode.UNAVAILABLE and not self.told and bool(_UNSENT.search(self.message))

    @property
    def lost(self) -> bool:
        """Whether no answer came, so that nobody knows what became of the call."""
        if self.told:
            return False
        if self.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return True
        return self.code in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL) and bool(_BROKEN.search(self.message))

    @property
    def distrusted(self) -> bool:
        """Whether we do not trust the certificate of what answers there, or it has none."""
        return self.unsent and bool(_DISTRUSTED.search(self.message))


class _Metadata(t.Protocol):
    def __iter__(self) -> t.Iterator[tuple[str, t.Any]]: ...


def read(code: grpc.StatusCode, message: str, metadata: _Metadata | None) -> Failure:
    """Return a failed call as data.

    :param metadata: its trailing metadata, where a google.rpc.Status may be.
    """
    status = _status(metadata)
    if status is None:
        return Failure(code=code, message=message)
    found: dict[str, t.Any] = {}
    for packed in status.details:
        for kind, take in _DETAILS.items():
            detail = kind()
            if packed.Is(detail.DESCRIPTOR) and _unpacked(packed, detail):
                found.update(take(detail, found))
    return Failure(code=code, message=status.message or message, told=True, **found)


def _status(metadata: _Metadata | None) -> status_pb2.Status | None:
    for key, value in metadata or ():
        if key == DETAILS_KEY:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _unpacked(packed: Any, detail: t.Any) -> bool:
    try:
        return packed.Unpack(detail)
    except DecodeError:
        return False


_Found = t.Mapping[str, t.Any]


def _info(detail: details_pb.ErrorInfo, _: _Found) -> _Found:
    return {"reason": detail.reason, "metadata": dict(detail.metadata)}


def _fields(detail: details_pb.BadRequest, found: _Found) -> _Found:
    lines = (f"{each.field}: {each.description}" for each in detail.field_violations)
    return {"violations": (*found.get("violations", ()), *lines)}


def _quotas(detail: details_pb.QuotaFailure, found: _Found) -> _Found:
    lines = (f"{each.subject}: {each.description}" for each in detail.violations)
    return {"violations": (*found.get("violations", ()), *lines)}


def _pause(detail: details_pb.RetryInfo, _: _Found) -> _Found:
    return {"retry_after": detail.retry_delay.ToTimedelta().total_seconds()}


def _cause(detail: clusters_pb2.Cause, _: _Found) -> _Found:
    return {"cause": detail}


_DETAILS: dict[t.Callable[[], t.Any], t.Callable[[t.Any, _Found], _Found]] = {
    details_pb.ErrorInfo: _info,
    details_pb.BadRequest: _fields,
    details_pb.QuotaFailure: _quotas,
    details_pb.RetryInfo: _pause,
    clusters_pb2.Cause: _cause,
}


def pause_before_next(failure: Failure, *, tries: int, left: float, jitter: float) -> float | None:
    """Return the seconds to wait before the call is repeated; None if it is not to be.

    All calls may be repeated, for they name themselves by a request id or change nothing.

    :param tries: how often it was tried so far, from 1.
    :param left: seconds until its deadline.
    :param jitter: from 0 to 1, so that not all callers come at once.
    """
    if not _worth_repeating(failure, left):
        return None
    growing = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(tries - 1, 10))
    pause = max(growing * (0.5 + 0.5 * jitter), failure.retry_after or 0.0)
    return pause if pause < left else None


def _worth_repeating(failure: Failure, left: float) -> bool:
    if failure.distrusted:
        return False
    if failure.retry_after is not None or failure.lost or failure.code is grpc.StatusCode.UNAVAILABLE:
        return True
    return failure.code is grpc.StatusCode.DEADLINE_EXCEEDED and left > _WORTH_TRYING  # the worker's own limit


_REMEDIES: dict[grpc.StatusCode, str] = {
    grpc.StatusCode.UNAUTHENTICATED: "Give a token that the worker knows by SLIPWAY_TOKEN.",
    grpc.StatusCode.UNIMPLEMENTED: "The worker is of another version than this driver: run site.yml.",
}


def remedy(failure: Failure) -> str:
    """Return what to do about a failure, where that is not in its details."""
    if failure.distrusted:
        return "Use the worker's own ca.crt (--tls-dir), and a name that its certificate has (--server-name)."
    if failure.unsent and "Socket closed" in failure.message:
        return (
            "Whoever listens there ends the connection at once: a worker does so with a certificate it does not accept."
        )
    if failure.unsent:
        return "Does a worker run, and is its address right?"
    return _REMEDIES.get(failure.code, "")
