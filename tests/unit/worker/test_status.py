"""Tests of errors as callers get them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from google.rpc import error_details_pb2, status_pb2
from slipway.v1 import clusters_pb2 as pb
from slipway_worker import status

from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Cause
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import (
    EngineError,
    UnreachableError,
    api_error,
)
from tests.support.paths import CHECKOUT

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from slipway_worker.status import Refusal

KINDS: dict[str, type[Message]] = {
    "ErrorInfo": error_details_pb2.ErrorInfo,
    "BadRequest": error_details_pb2.BadRequest,
    "QuotaFailure": error_details_pb2.QuotaFailure,
    "RetryInfo": error_details_pb2.RetryInfo,
    "Cause": pb.Cause,
}


def sent(refusal: Refusal) -> tuple[Any, dict[str, Any], int]:
    """The status, its details by kind, and the bytes of the header."""
    found: Any = refusal.status()
    [(_key, value)] = found.trailing_metadata
    parsed = status_pb2.Status.FromString(value)
    details = {}
    for each in parsed.details:
        kind = each.type_url.rpartition(".")[2]
        details[kind] = KINDS[kind].FromString(each.value)
    assert (parsed.code, parsed.message) == (found.code.value[0], found.details)
    return found, details, len(value)


def api(code: int, message: str = "", **details: Any) -> EngineError:
    return api_error("create it", status=code, body={"message": message, "details": details})


@pytest.mark.parametrize(
    ("error", "code", "reason", "retry"),
    [
        (UnreachableError("gone"), "UNAVAILABLE", "API_UNREACHABLE", True),
        (api(503), "UNAVAILABLE", "API_ERROR", True),
        (api(429), "UNAVAILABLE", "API_ERROR", True),
        (api(409), "ABORTED", "CONFLICT", True),
        (api(422), "INVALID_ARGUMENT", "INVALID_INPUT", False),
        (api(413), "INVALID_ARGUMENT", "INVALID_INPUT", False),
        (api(403, "exceeded quota: q"), "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", False),
        (api(403, 'User "x" cannot create'), "PERMISSION_DENIED", "FORBIDDEN", False),
        (api(403, "no"), "PERMISSION_DENIED", "ADMISSION_DENIED", False),
        (api(404, kind="namespaces"), "NOT_FOUND", "NAMESPACE_MISSING", False),
        (api(401), "INTERNAL", "UNAUTHORIZED", False),
        (EngineError("odd"), "INTERNAL", "ERROR", False),
    ],
)
def test_error(error: EngineError, code: str, reason: str, retry: bool) -> None:
    found, details, _size = sent(status.of_error(error))
    info = details["ErrorInfo"]
    assert (found.code.name, info.reason, info.domain, "RetryInfo" in details) == (code, reason, "slipway.dev", retry)


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        ("image_not_found", "FAILED_PRECONDITION"),
        ("node_label_missing", "FAILED_PRECONDITION"),
        ("quota_exceeded", "RESOURCE_EXHAUSTED"),
        ("admission_denied", "PERMISSION_DENIED"),
        ("deleted_by_other", "ABORTED"),
        ("terminating", "ABORTED"),
        ("deadline_exceeded", "DEADLINE_EXCEEDED"),
        ("webhook_unavailable", "UNAVAILABLE"),
        ("unknown", "INTERNAL"),
    ],
)
def test_cause(cause: str, code: str) -> None:
    refusal = status.of_cause(Cause(cause, "it is so", ("line",), False, "Do this."), of="Cluster demo", note="Gone.")
    found, details, _size = sent(refusal)
    assert (found.code.name, details["ErrorInfo"].reason) == (code, cause.upper())
    assert found.details == "Cluster demo: it is so. Do this. Gone."
    assert details["Cause"] == pb.Cause(code=cause, summary="it is so", evidence=["line"], hint="Do this.")


def test_every_documented_cause_of_pods_has_a_code() -> None:
    table = (CHECKOUT / "docs" / "causes.md").read_text().partition("| code |")[2].partition("\n\n")[0]
    documented = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    elsewhere = {
        "job_failed",
        "stalled",
        "fail_when",
        "operator_failed",
        "names_taken",
        "condition_false",
        "address_pending",
        "disrupted",
    }  # of kinds that are no Deployment
    assert documented - elsewhere - status.CODES.keys() == set()


@pytest.mark.parametrize(
    ("known", "state", "code", "text"),
    [
        (None, "0 of 1 replicas available", "deadline_exceeded", "0 of 1 replicas available"),
        (None, "", "deadline_exceeded", "before anything was known"),
        (Cause("unschedulable", "no node takes its pods"), "0 of 1", "unschedulable", "0 of 1; no node takes its pods"),
    ],
)
def test_out_of_time(known: Cause | None, state: str, code: str, text: str) -> None:
    found, details, _size = sent(status.out_of_time(known, of="Cluster demo", state=state))
    reason = details["ErrorInfo"].reason
    assert (found.code.name, reason, details["Cause"].code) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", code)
    assert text in found.details


def test_fields_that_are_wrong() -> None:
    found, details, _size = sent(status.invalid([("name", "is bad"), ("spec.image", "is missing")]))
    violations = [(each.field, each.description) for each in details["BadRequest"].field_violations]
    assert (found.code.name, violations) == ("INVALID_ARGUMENT", [("name", "is bad"), ("spec.image", "is missing")])
    assert found.details == "name: is bad; spec.image: is missing"


def test_quota() -> None:
    found, details, _size = sent(status.over_quota("n", {"q": ["pods: too many"]}))
    assert (found.code.name, subjects(details)) == ("RESOURCE_EXHAUSTED", ["resourcequota:q"])


def subjects(details: dict[str, Any]) -> list[str]:
    return [each.subject for each in details["QuotaFailure"].violations]


def test_quota_that_the_api_server_tells_of() -> None:
    said = "FailedCreate: pods is forbidden: exceeded quota: small, requested: pods=1"
    cause = Cause("quota_exceeded", "ResourceQuota small leaves no room for its pods", (said,), False)
    refusals = [status.of_cause(cause, of="Cluster demo"), status.of_error(api(403, said))]
    assert [subjects(sent(refusal)[1]) for refusal in refusals] == [["resourcequota:small"]] * 2


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "refusal",
    [
        status.of_cause(Cause("crash_loop", LONG, (LONG,) * 10, True, "hint"), of="Cluster demo"),
        status.out_of_time(Cause("crash_loop", LONG, (LONG,) * 10, True, "hint"), of="Cluster demo", state=LONG),
        status.invalid([(f"field{n}", LONG) for n in range(100)]),
        status.over_quota("n", {f"q{n}": [LONG] for n in range(100)}),
        status.of_error(EngineError(LONG)),
    ],
)
def test_details_fit_into_a_header(refusal: Refusal) -> None:
    found, _details, size = sent(refusal)
    assert len(found.details) + size * 4 / 3 < 7_500
