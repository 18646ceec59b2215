"""The line that is logged of each call."""

from __future__ import annotations

import logging

LONGEST = 253  # characters of a field that a caller has chosen, as a Kubernetes name

_calls = logging.getLogger("slipway_worker.calls")
_OUR_FAULTS = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})


def call(
    *,
    method: str,
    request: object,
    namespace: str,
    caller: str,
    code: str,
    seconds: float,
    detail: str = "",
    peer: str = "",
) -> None:
    """Log how a call ended.

    :param request: its message, None where it could not be read. :param namespace: what it means if it names none.
    """
    fields = {
        "method": method,
        "request_id": _of(request, "request_id"),
        "namespace": _of(request, "namespace") or namespace,
        "cluster": _of(request, "name"),
        "caller": caller,
        "peer": peer,
        "code": code,
        "seconds": round(seconds, 6),
    }
    if detail:
        fields["detail"] = detail[:4096]
    _calls.log(logging.ERROR if code in _OUR_FAULTS else logging.INFO, "%s: %s", method, code, extra=fields)


def _of(request: object, field: str) -> str:
    return str(getattr(request, field, ""))[:LONGEST]
