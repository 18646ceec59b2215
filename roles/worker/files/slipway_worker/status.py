"""Errors as callers get them: a code of gRPC, a message, and the details of google.rpc. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2 as details_pb
from google.rpc import status_pb2
from grpc_status import rpc_status

from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Cause
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import ApiError, EngineError

from . import specs

if t.TYPE_CHECKING:
    from google.protobuf.message import Message

    from .specs import Violation

Code = grpc.StatusCode

DOMAIN = "slipway.dev"
RETRY_AFTER = 1.0  # seconds

CODES: dict[str, Code] = {
    **dict.fromkeys(
        (
            "config_missing",
            "config_pending",
            "container_failed",
            "container_invalid",
            "crash_loop",
            "finalizer",
            "image_not_found",
            "image_pull_failed",
            "namespace_terminating",
            "node_label_missing",
            "node_not_ready",
            "not_ours",
            "out_of_memory",
            "paused",
            "pod_evicted",
            "pod_invalid",
            "pod_stuck_terminating",
            "pods_not_created",
            "probe_failed",
            "sandbox_failed",
            "service_account_missing",
            "unschedulable",
            "volume_pending",
        ),
        Code.FAILED_PRECONDITION,
    ),
    **dict.fromkeys(("admission_denied", "forbidden", "namespace_not_allowed"), Code.PERMISSION_DENIED),
    **dict.fromkeys(("namespace_missing", "not_found"), Code.NOT_FOUND),
    **dict.fromkeys(("api_unreachable", "api_error", "stream_broken", "webhook_unavailable"), Code.UNAVAILABLE),
    **dict.fromkeys(("conflict", "deleted_by_other", "expired", "terminating"), Code.ABORTED),
    "already_exists": Code.ALREADY_EXISTS,
    "deadline_exceeded": Code.DEADLINE_EXCEEDED,
    "invalid_input": Code.INVALID_ARGUMENT,
    "quota_exceeded": Code.RESOURCE_EXHAUSTED,
}
"""By the code of a cause or error; what is not named is INTERNAL."""

_HELPED_BY_TIME = {"api_unreachable", "api_error", "stream_broken", "webhook_unavailable", "conflict", "terminating"}

# The details travel as one header, of which clients take 8 KiB.
_MOST_LINES, _LONGEST_LINE, _LONGEST_TEXT = 6, 240, 600
_MOST_VIOLATIONS = 16

_OF_QUOTA = re.compile(r"exceeded quota: (?P<name>[^,\s]+)")


class Refusal(Exception):  # noqa: N818  # it is an answer
    """The answer to a call that does not succeed. ``reason`` is a code in lower snake case."""

    def __init__(
        self,
        reason: str,
        text: str,
        *details: Message,
        code: Code | None = None,
        metadata: t.Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.code = code or CODES.get(reason, Code.INTERNAL)
        self.details = details
        self.metadata = dict(metadata or {})

    def status(self) -> grpc.Status:
        """Return it as it is sent."""
        info = details_pb.ErrorInfo(reason=self.reason.upper(), domain=DOMAIN, metadata=self.metadata)
        details: list[Message] = [info, *self.details]
        if self.reason in _HELPED_BY_TIME:
            details.append(details_pb.RetryInfo(retry_delay=duration_pb2.Duration(seconds=int(RETRY_AFTER))))
        found = status_pb2.Status(
            code=self.code.value[0],
            message=shortened(str(self), _LONGEST_TEXT),
            details=[_packed(each) for each in details],
        )
        return t.cast(grpc.Status, rpc_status.to_status(found))


def of_error(error: EngineError) -> Refusal:
    """Return the answer where the engine has failed."""
    if isinstance(error, ApiError) and error.status == 413:
        return Refusal("invalid_input", str(error))
    return Refusal(error.code, str(error), *_quota_failure(error.code, str(error)))


def of_cause(cause: Cause, *, of: str, note: str = "") -> Refusal:
    """Return the answer where pods tell why it cannot be.

    :param of: what the cause is of, as ``Cluster demo in namespace clusters``. :param note: what was done about it.
    """
    text = " ".join(filter(None, (f"{of}: {cause.summary}.", cause.hint, note)))
    quota = _quota_failure(cause.code, " ".join((cause.summary, *cause.evidence)))
    return Refusal(cause.code, text, specs.cause_message(_brief(cause)), *quota)


def out_of_time(known: Cause | None, *, of: str, state: str) -> Refusal:
    """Return the answer to a call whose time is up, with what is known by then. What it has begun goes on."""
    cause = known or Cause("deadline_exceeded", state or "its time was up before anything was known")
    summary = "; ".join(dict.fromkeys(filter(None, (state, cause.summary))))
    text = f"{of}: not done within the deadline: {summary}. It was not undone, and may still come about."
    return Refusal("deadline_exceeded", text, specs.cause_message(_brief(cause)))


def invalid(violations: t.Sequence[Violation]) -> Refusal:
    """Return the answer to a request with fields that are wrong."""
    few = [(field, shortened(problem, _LONGEST_LINE)) for field, problem in violations[:_MOST_VIOLATIONS]]
    fields = [details_pb.BadRequest.FieldViolation(field=field, description=text) for field, text in few]
    text = "; ".join(f"{field}: {problem}" for field, problem in few)
    return Refusal("invalid_input", text, details_pb.BadRequest(field_violations=fields))


def over_quota(namespace: str, shortages: t.Mapping[str, t.Sequence[str]]) -> Refusal:
    """Return the answer to a request for which quotas have no room; by the name of the quota."""
    every = [(name, shortened(line, _LONGEST_LINE)) for name, lines in shortages.items() for line in lines]
    rows = every[:_MOST_VIOLATIONS]
    told = "; ".join(f"ResourceQuota {name}: {line}" for name, line in rows)
    text = f"There is no room in namespace {namespace}: {told}. Nothing was changed."
    return Refusal("quota_exceeded", text, _quotas(rows))


def _quota_failure(reason: str, said: str) -> list[Message]:
    """Return the detail of what the API server has said of a quota."""
    found = _OF_QUOTA.search(said)
    name = found["name"] if found else "unknown"
    return [_quotas([(name, shortened(said, _LONGEST_LINE))])] if reason == "quota_exceeded" else []


def _quotas(rows: t.Iterable[tuple[str, str]]) -> details_pb.QuotaFailure:
    violation = details_pb.QuotaFailure.Violation
    return details_pb.QuotaFailure(
        violations=[violation(subject=f"resourcequota:{name}", description=line) for name, line in rows]
    )


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters; of a long one the middle is left out, for its end says why."""
    half = most // 2 - 2
    return text if len(text) <= most else f"{text[:half]} .. {text[-half:]}"


def _brief(cause: Cause) -> Cause:
    lines = tuple(shortened(line, _LONGEST_LINE) for line in cause.evidence[:_MOST_LINES])
    return replace(cause, summary=shortened(cause.summary, _LONGEST_TEXT), evidence=lines)


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
