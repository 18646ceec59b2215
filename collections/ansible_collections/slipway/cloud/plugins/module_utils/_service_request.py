# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""The module service_request's decisions: where a request goes, and whether its answer is as expected. Pure."""

from __future__ import annotations

import json
import typing as t

from .engine.errors import EngineError
from .engine.resources import SERVICE, object_key, title

if t.TYPE_CHECKING:
    from .engine.client import Answer
    from .engine.resources import Object

_SHOWN = 500
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Those that change nothing, RFC 9110."""


class Request(t.NamedTuple):
    """One HTTP request to a Service: C(path) is that of the service's own server."""

    method: str
    path: str
    headers: dict[str, str]
    data: bytes | None


def request_of(method: str, path: str, headers: t.Mapping[str, t.Any], body: t.Any) -> Request:
    """Return the request that the options describe; a body that is no text is sent as JSON."""
    told = {str(key): str(value) for key, value in headers.items()}
    if body is None:
        return Request(method, path, told, None)
    if isinstance(body, str):
        return Request(method, path, told, body.encode())
    return Request(method, path, {"Content-Type": "application/json", **told}, json.dumps(body).encode())


def port_of(service: Object, wanted: str | None) -> int:
    """Return the number of a Service's port, given by number or name, or its only one. :raises EngineError:"""
    ports = service["spec"].get("ports") or []
    for port in ports:
        if wanted in (str(port["port"]), port.get("name")) or (wanted is None and len(ports) == 1):
            return int(port["port"])
    namespace, name = object_key(service)
    known = ", ".join(f"{port['port']} {port.get('name', '')}".strip() for port in ports) or "none"
    asked = f"has no port {wanted}" if wanted else "has several ports: name one"
    raise EngineError(f"{title('Service', name, namespace)} {asked}; its ports: {known}.", code="invalid_input")


def proxy_path(service: Object, port: int, scheme: str, path: str) -> str:
    """Return the path by which the API server hands a request on to a Service.

    https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
    """
    namespace, name = object_key(service)
    return f"{SERVICE.path(namespace)}/{scheme}:{name}:{port}/proxy/{path.lstrip('/')}"


def address_of(service: Object) -> str:
    """Return the address at which a Service can be reached from outside. :raises EngineError: if it has none."""
    given = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    addresses = [entry.get("ip") or entry.get("hostname") for entry in given] + (
        service["spec"].get("externalIPs") or []
    )
    if not addresses:
        namespace, name = object_key(service)
        what = title("Service", name, namespace)
        raise EngineError(
            f"{what} has no address of its own: ask via=proxy, or make it a LoadBalancer.", code="no_address"
        )
    return str(addresses[0])


def nobody_there(answer: Answer) -> bool:
    """Whether the API server found nobody to hand a request on to: it may be repeated without harm."""
    refused = b"error trying to reach service: dial " in answer.data and b"connection refused" in answer.data
    return answer.status == 503 and (refused or b"no endpoints available" in answer.data)


def problems_of(answer: Answer, *, status: t.Sequence[int], contains: str | None) -> list[str]:
    """Return how an answer differs from what is expected, and the beginning of what it said."""
    text = answer.data.decode(errors="replace")
    problems = []
    if answer.status not in status:
        problems.append(f"answered {answer.status}, not {' or '.join(map(str, status))}")
    if contains is not None and contains not in text:
        problems.append(f"the answer does not contain {contains!r}")
    return [*problems, f"it said: {text[:_SHOWN]}"] if problems else []
