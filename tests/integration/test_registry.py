"""Images are pushed to a real registry, over TLS by a certificate authority of our own and with a password."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import io
import json
import os
import socket
import subprocess
import tarfile
import threading
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._image_archive import Config, Source, write_archive
from ansible_collections.slipway.cloud.plugins.module_utils._image_push import (
    Access,
    RegistryError,
    push_image,
    rehearse_push,
)
from tests.support.api_server import free_ports
from tests.support.paths import BUNDLE_BIN
from tests.support.registry import PASSWORD, USER, write_home
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class Registry:
    """A running registry, and what a client needs to push."""

    url: str
    home: Path

    @property
    def access(self) -> Access:
        return Access(username=USER, password=PASSWORD, ca_path=str(self.home / "ca.crt"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """The registry all tests share."""
    home = tmp_path_factory.mktemp("registry")
    (port,) = free_ports(1)
    write_home(home, address="127.0.0.1", port=port)
    program = Path(os.environ.get("SLIPWAY_TEST_BIN") or BUNDLE_BIN) / "registry"
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", str(program), "serve", str(home / "config.yml")], stdout=log, stderr=log
        )
    running = Registry(url=f"https://127.0.0.1:{port}", home=home)
    try:
        eventually(lambda: _listens(port), within=10, what="the registry")
        yield running
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An image of a base and one file."""
    base = tmp_path / "base.tar"
    with tarfile.open(base, "w") as tar:
        tar.addfile(tarfile.TarInfo("etc"), io.BytesIO())
    path = tmp_path / "worker.tar"
    write_archive(
        path,
        name="slipway.local/worker:0a1b2c3d4e5f",
        config=Config(architecture="amd64", entrypoint=["/hello"]),
        base=base,
        sources=[Source(dest="/hello", content=str(tmp_path))],
    )
    return path


def test_push_twice(registry: Registry, archive: Path) -> None:
    reference, changed = push_image(archive, f"{registry.url}/team", registry.access)
    assert changed
    assert reference.startswith(f"{urllib.parse.urlsplit(registry.url).netloc}/team/worker@sha256:")
    assert push_image(archive, f"{registry.url}/team", registry.access) == (reference, False)


def test_dry_run_pushes_nothing(registry: Registry, archive: Path) -> None:
    for _ in range(2):
        assert push_image(archive, f"{registry.url}/dry", registry.access, dry_run=True)[1]


def test_rehearsal_leaves_nothing(registry: Registry) -> None:
    rehearse_push("worker:1.0", f"{registry.url}/rehearsed", registry.access)
    assert list(registry.home.rglob("rehearsed/worker/_uploads/*/startedat")) == []


REFUSALS = pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": "wrong"}, r"refused .* with 401.*: the user name or the password is wrong or missing"),
        ({"username": "", "password": ""}, r"refused .* with 401.*: the user name"),
        (
            {"ca_path": ""},
            r"The certificate of 127\.0\.0\.1:\d+ is not trusted \(unable to get local issuer certificate\): name",
        ),
        ({"ca_path": "/nonexistent.pem"}, r"/nonexistent\.pem cannot be used"),
    ],
)


@REFUSALS
def test_refusals_of_a_rehearsal(registry: Registry, change: dict[str, str], message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        rehearse_push("worker:1.0", registry.url, dataclasses.replace(registry.access, **change))


@REFUSALS
def test_refusals(registry: Registry, archive: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        push_image(archive, registry.url, dataclasses.replace(registry.access, **change))


def test_nobody_listens(archive: Path) -> None:
    (port,) = free_ports(1)
    with pytest.raises(
        RegistryError, match=r"127\.0\.0\.1:\d+ cannot be reached \(.*refused\): check the registry's URL"
    ):
        push_image(archive, f"http://127.0.0.1:{port}", Access())


class StandIn(http.server.BaseHTTPRequestHandler):
    """What no registry at hand does: fail, store other bytes, ask for a token. The path's first part says which."""

    requests: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self._answer(404)

    def do_POST(self) -> None:
        if "/broken/" in self.path:
            self._answer(503, body={"errors": [{"code": "UNAVAILABLE", "message": "disk is full"}]})
        else:
            self._answer(202, Location=f"{self.path}1?state=x")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201, **({"Docker-Content-Digest": "sha256:0"} if "/liar/" in self.path else {}))

    def do_GET(self) -> None:
        self.requests.append(f"{self.path} {self.headers['Authorization']}")
        self._answer(200, body={"token": "the-token"})

    def _answer(self, status: int, *, body: Any = None, **headers: str) -> None:
        if "/token/" in self.path and self.headers["Authorization"] != "Bearer the-token":
            realm = f"http://{self.headers['Host']}/auth"
            status, headers = 401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="test"'}
        content = json.dumps(body).encode() if body else b""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name in the standard library)
        """Say nothing."""


@pytest.fixture
def stand_in() -> Iterator[str]:
    """The URL of the stand-in."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("broken", r"refused POST .* with 503 \(UNAVAILABLE: disk is full\): look at its log"),
        ("liar", r"stored sha256:0 where sha256:[0-9a-f]{64} was sent: do not trust it"),
    ],
)
def test_registry_that_fails(stand_in: str, archive: Path, prefix: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        push_image(archive, f"{stand_in}/{prefix}", Access())


def test_token(stand_in: str, archive: Path) -> None:
    StandIn.requests.clear()
    assert push_image(archive, f"{stand_in}/token", Access(username="ci", password="secret"))[1]
    assert StandIn.requests == ["/auth?service=test&scope=repository%3Atoken%2Fworker%3Apull%2Cpush Basic Y2k6c2VjcmV0"]
