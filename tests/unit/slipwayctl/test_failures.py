"""What a failed call says, and whether it is repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2
from slipway.v1 import clusters_pb2 as pb
from slipwayctl.failures import Failure, pause_before_next, read, remedy

from tests.unit.slipwayctl.double import DETAILS, retry_in, status

if TYPE_CHECKING:
    from google.protobuf.message import Message

Code = grpc.StatusCode
REFUSED = "connections to all backends failing; last error: UNKNOWN: ipv4:127.0.0.1:1: Connection refused"
NO_NAME = "errors resolving w.example.:50051: [field:hostname lookup error:address lookup failed]"
DISTRUSTED = "failed to connect to all addresses; last error: Tls handshake failed: CERTIFICATE_VERIFY_FAILED"
CLOSED = "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:127.0.0.1:1: Socket closed"


def failure(code: Code, message: str = "", **more: Any) -> Failure:
    return Failure(code=code, message=message, **more)


def quota() -> Message:
    found = error_details_pb2.QuotaFailure()
    found.violations.add(subject="pods", description="12 of 20 are used")
    return found


def fields() -> Message:
    found = error_details_pb2.BadRequest()
    found.field_violations.add(field="spec.replicas", description="must not be negative")
    found.field_violations.add(field="name", description="must be a DNS label")
    return found


CAUSE = pb.Cause(code="image_not_found", summary="there is no image x", evidence=["ErrImagePull"], hint="name another")
INFO = error_details_pb2.ErrorInfo(reason="NOT_OURS", domain="slipway.dev", metadata={"uid": "7"})


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ((), {}),
        ((INFO,), {"reason": "NOT_OURS", "metadata": {"uid": "7"}}),
        ((fields(),), {"violations": ("spec.replicas: must not be negative", "name: must be a DNS label")}),
        ((INFO, quota()), {"reason": "NOT_OURS", "metadata": {"uid": "7"}, "violations": ("pods: 12 of 20 are used",)}),
        ((retry_in(1.5),), {"retry_after": 1.5}),
        ((CAUSE,), {"cause": CAUSE}),
    ],
    ids=["none", "info", "fields", "info and quota", "retry", "cause"],
)
def test_details_are_read(details: tuple[Message, ...], expected: dict[str, Any]) -> None:
    trailing = (("other", "x"), (DETAILS, status(Code.ABORTED, "why", *details)))
    assert read(Code.ABORTED, "shorter", trailing) == failure(Code.ABORTED, "why", told=True, **expected)


@pytest.mark.parametrize("metadata", [None, (), ((DETAILS, b"\xff\xff"),)], ids=["none", "empty", "garbage"])
def test_without_details(metadata: Any) -> None:
    assert read(Code.INTERNAL, "oops", metadata) == failure(Code.INTERNAL, "oops")


@pytest.mark.parametrize(
    ("failed", "unsent", "lost", "distrusted"),
    [
        (failure(Code.UNAVAILABLE, REFUSED), True, True, False),
        (failure(Code.UNAVAILABLE, NO_NAME), True, True, False),
        (failure(Code.UNAVAILABLE, DISTRUSTED), True, True, True),
        (failure(Code.UNAVAILABLE, "Socket closed"), False, True, False),
        (failure(Code.UNAVAILABLE, "the API server is away", told=True), False, False, False),
        (failure(Code.CANCELLED, "the worker ends"), False, True, False),
        (failure(Code.INTERNAL, "Received RST_STREAM with error code 2"), False, True, False),
        (failure(Code.UNKNOWN, "Stream removed"), False, True, False),
        (failure(Code.INTERNAL, "a bug"), False, False, False),
        (failure(Code.NOT_FOUND, "no"), False, False, False),
    ],
)
def test_kinds_of_failure(failed: Failure, unsent: bool, lost: bool, distrusted: bool) -> None:
    assert (failed.unsent, failed.lost, failed.distrusted) == (unsent, lost, distrusted)


@pytest.mark.parametrize(
    ("failed", "tries", "left", "expected"),
    [
        (failure(Code.UNAVAILABLE, REFUSED), 1, 30, 0.1),
        (failure(Code.UNAVAILABLE, REFUSED), 3, 30, 0.4),
        (failure(Code.UNAVAILABLE, REFUSED), 1000, 30, 0.8),
        (failure(Code.UNAVAILABLE, REFUSED), 1000, 0.7, None),
        (failure(Code.UNAVAILABLE, DISTRUSTED), 1, 30, None),
        (failure(Code.UNAVAILABLE, "Socket closed"), 1, 30, 0.1),
        (failure(Code.CANCELLED), 1, 30, 0.1),
        (failure(Code.UNAVAILABLE, told=True, retry_after=3.0), 1, 30, 3.0),
        (failure(Code.ABORTED, told=True, retry_after=3.0), 1, 2, None),
        (failure(Code.ABORTED, told=True), 1, 30, None),
        (failure(Code.RESOURCE_EXHAUSTED, told=True), 1, 30, None),
        (failure(Code.INVALID_ARGUMENT, told=True), 1, 30, None),
        (failure(Code.UNAUTHENTICATED), 1, 30, None),
        (failure(Code.DEADLINE_EXCEEDED, told=True), 1, 30, 0.1),
        (failure(Code.DEADLINE_EXCEEDED, told=True), 1, 0.25, None),
        (failure(Code.INTERNAL, "a bug"), 1, 30, None),
    ],
)
def test_pauses(failed: Failure, tries: int, left: float, expected: float | None) -> None:
    assert pause_before_next(failed, tries=tries, left=left, jitter=1.0) == expected


def test_pauses_differ_by_half() -> None:
    assert pause_before_next(failure(Code.UNAVAILABLE), tries=1, left=9, jitter=0.0) == 0.05


@pytest.mark.parametrize(
    ("failed", "says"),
    [
        (failure(Code.UNAVAILABLE, DISTRUSTED), "--tls-dir"),
        (failure(Code.UNAVAILABLE, CLOSED), "a certificate it does not accept"),
        (failure(Code.UNAVAILABLE, REFUSED), "Does a worker run"),
        (failure(Code.UNAUTHENTICATED), "SLIPWAY_TOKEN"),
        (failure(Code.UNIMPLEMENTED), "another version"),
        (failure(Code.NOT_FOUND), ""),
    ],
)
def test_remedies(failed: Failure, says: str) -> None:
    assert says in remedy(failed)
