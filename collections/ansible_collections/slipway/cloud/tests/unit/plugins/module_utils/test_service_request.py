# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of where a request goes, and of what is said of its answer."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._service_request import (
    Request,
    address_of,
    nobody_there,
    port_of,
    problems_of,
    proxy_path,
    request_of,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import Answer
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import EngineError

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

HTTP, METRICS = {"port": 80, "name": "http"}, {"port": 9090, "name": "metrics"}


def service(*ports: Object, ingress: list[Object] | None = None, **spec: t.Any) -> Object:
    status = {"loadBalancer": {"ingress": ingress} if ingress else {}}
    return {"metadata": {"name": "a", "namespace": "n"}, "spec": {"ports": list(ports), **spec}, "status": status}


@pytest.mark.parametrize(
    ("body", "headers", "request_"),
    [
        (None, {}, Request("POST", "/", {}, None)),
        ("text", {"X": 1}, Request("POST", "/", {"X": "1"}, b"text")),
        ({"a": [1]}, {}, Request("POST", "/", {"Content-Type": "application/json"}, b'{"a": [1]}')),
        ([1], {"Content-Type": "x"}, Request("POST", "/", {"Content-Type": "x"}, b"[1]")),
    ],
)
def test_request(body: t.Any, headers: dict[str, t.Any], request_: Request) -> None:
    assert request_of("POST", "/", headers, body) == request_


@pytest.mark.parametrize(
    ("ports", "wanted", "port"),
    [([HTTP], None, 80), ([HTTP], "80", 80), ([HTTP, METRICS], "metrics", 9090), ([HTTP, METRICS], "80", 80)],
)
def test_port(ports: list[Object], wanted: str | None, port: int) -> None:
    assert port_of(service(*ports), wanted) == port


@pytest.mark.parametrize(
    ("ports", "wanted", "message"),
    [
        (
            [HTTP, METRICS],
            None,
            r"Service a in namespace n has several ports: name one; its ports: 80 http, 9090 metrics",
        ),
        ([HTTP], "81", r"has no port 81; its ports: 80 http"),
    ],
)
def test_no_such_port(ports: list[Object], wanted: str | None, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        port_of(service(*ports), wanted)


@pytest.mark.parametrize("path", ["/x?y=1", "x?y=1"])
def test_proxy_path(path: str) -> None:
    assert proxy_path(service(HTTP), 80, "http", path) == "/api/v1/namespaces/n/services/http:a:80/proxy/x?y=1"


@pytest.mark.parametrize(
    ("found", "address"),
    [
        (service(ingress=[{"ip": "192.0.2.1"}]), "192.0.2.1"),
        (service(ingress=[{"hostname": "lb.example"}]), "lb.example"),
        (service(externalIPs=["192.0.2.2"]), "192.0.2.2"),
    ],
)
def test_address(found: Object, address: str) -> None:
    assert address_of(found) == address


def test_no_address() -> None:
    with pytest.raises(EngineError, match="has no address of its own: ask via=proxy"):
        address_of(service())


@pytest.mark.parametrize(
    ("answer", "nobody"),
    [
        (Answer(503, b'{"kind": "Status", "message": "no endpoints available for service"}'), True),
        (Answer(503, b"error trying to reach service: dial tcp 10.1.2.3:80: connect: connection refused"), True),
        (Answer(503, b"busy"), False),
        (Answer(503, b"backend: connection refused"), False),
        (Answer(200, b"no endpoints available"), False),
    ],
)
def test_nobody_there(answer: Answer, nobody: bool) -> None:
    assert nobody_there(answer) == nobody


@pytest.mark.parametrize(
    ("status", "contains", "problems"),
    [
        ([201], None, []),
        ([200, 201], "made", []),
        ([200], None, ["answered 201, not 200", "it said: it is made"]),
        (
            [200, 204],
            "gone",
            ["answered 201, not 200 or 204", "the answer does not contain 'gone'", "it said: it is made"],
        ),
    ],
)
def test_problems(status: list[int], contains: str | None, problems: list[str]) -> None:
    assert problems_of(Answer(201, b"it is made"), status=status, contains=contains) == problems
