# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what the engine's client sends, and to whom; the servers are plain ones on loopback."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, cast

import pytest
from kubernetes.client.configuration import Configuration

from ansible_collections.slipway.cloud.plugins.module_utils.engine import client
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Recorder(ThreadingHTTPServer):
    """Says {} to every GET, refuses every tunnel, and keeps what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Recording)
        self.asked: list[str] = []


class Recording(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._note()
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_CONNECT(self) -> None:
        self._note()
        self.send_error(502)

    def _note(self) -> None:
        cast("Recorder", self.server).asked.append(self.requestline.rsplit(maxsplit=1)[0])

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def recording() -> Iterator[Recorder]:
    with Recorder() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield server
        server.shutdown()


def kubeconfig(path: Path, cluster: dict[str, str]) -> Path:
    config = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "current-context": "c",
    }
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    ("server", "proxied", "asked"),
    [
        ("http://{here}", False, "GET /version"),
        ("http://{here}/k8s/clusters/c", False, "GET /k8s/clusters/c/version"),
        ("http://example.invalid/k8s", True, "GET http://example.invalid/k8s/version"),
        ("https://example.invalid:6443/k8s", True, "CONNECT example.invalid:6443"),
    ],
)
def test_where_a_request_goes(server: str, proxied: bool, asked: str, tmp_path: Path) -> None:
    with recording() as recorder:
        here = f"127.0.0.1:{recorder.server_address[1]}"
        cluster = {"server": server.format(here=here), **({"proxy-url": f"http://{here}"} if proxied else {})}
        config = kubeconfig(tmp_path / "config", cluster)
        with client.connect(client.Connection(kubeconfig=str(config))) as connected:
            if asked.startswith("GET"):
                assert connected.get("/version", action="read the version") == {}
            else:
                with pytest.raises(UnreachableError, match="the proxy failed"):
                    connected.get("/version", action="read the version")
        assert recorder.asked == [asked]


def test_a_stream_may_come_without_chunks(tmp_path: Path) -> None:
    with recording() as recorder:
        config = kubeconfig(tmp_path / "config", {"server": f"http://127.0.0.1:{recorder.server_address[1]}"})
        with client.connect(client.Connection(kubeconfig=str(config))) as connected:
            channel = connected.channel()
            assert b"".join(channel.watch("/pods", {"watch": "true"}, action="watch pods", read_timeout=5)) == b"{}"
            channel.close()
        assert recorder.asked == ["GET /pods?watch=true"]


def test_a_token_is_read_anew_once_it_is_a_second_old(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter(["Bearer one", "Bearer two"])
    configuration = Configuration(api_key={"BearerToken": ""})
    monkeypatch.setattr(configuration, "refresh_api_key_hook", lambda its: its.api_key.update(BearerToken=next(tokens)))
    login = client._Login(configuration, "default", "a test")
    now = 10.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    assert [login.token(), login.token()] == ["Bearer one"] * 2
    now += 1.0
    assert login.token() == "Bearer two"
