# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of program.serving: a real server on loopback."""

from __future__ import annotations

import http.client
import socket
import typing as t
import urllib.error
import urllib.request

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.program.serving import PortError, application, served

if t.TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


def metrics(_environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
    """Answer as prometheus_client would."""
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"up 1\n"]


def get(port: int, path: str) -> tuple[int, str]:
    """Return status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_metrics_and_checks_have_their_paths() -> None:
    state = {"ready": False}
    with served(0, application(metrics, {"/healthz": lambda: True, "/readyz": lambda: state["ready"]})) as port:
        assert get(port, "/metrics") == (200, "up 1\n")
        assert get(port, "/healthz") == (200, "ok\n")
        assert get(port, "/readyz") == (503, "no\n")
        state["ready"] = True
        assert get(port, "/readyz") == (200, "ok\n")
        assert get(port, "/") == (404, "no\n")


def test_it_is_served_whatever_else_comes_to_the_port() -> None:
    with served(0, application(metrics)) as port:
        for junk in (b"\0" * 70000, b"GET\r\n\r\n", b""):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(junk)
        assert get(port, "/metrics") == (200, "up 1\n")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken, pytest.raises(PortError, match=r"on 0\.0\.0\.0:\d+: something"):
        served(taken.getsockname()[1], metrics).__enter__()
