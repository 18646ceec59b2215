"""What the drill ingress deploys, and how it asks by the name of a host."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.drills.ingress import HOST, INGRESS, MANIFEST, fetch
from tests.support.authority import Authority
from tests.support.paths import CHECKOUT
from tests.support.role_templates import check_restricted, check_rights, check_schemas, defaults, of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFEST.read_text()))


class Mirror(BaseHTTPRequestHandler):
    """Answers with the host and the path that were asked for."""

    def do_GET(self) -> None:
        body = f"{self.headers['Host'].partition(':')[0]}{self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def mirror(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on loopback; yields its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def contexts(home: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Those of a server with the certificate of a host, and of a client that trusts its authority."""
    files = Authority.new("drill").host(home, name)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files / "tls.crt", files / "tls.key")
    return server, ssl.create_default_context(cafile=files / "ca.crt")


def test_asked_by_name_at_an_address() -> None:
    with mirror() as port:
        assert fetch("127.0.0.1", port, HOST, "/index.json") == (200, f"{HOST}/index.json".encode())


def test_by_tls_the_certificate_must_be_that_of_the_host(tmp_path: Path) -> None:
    server, client = contexts(tmp_path, HOST)
    with mirror(server) as port:
        assert fetch("127.0.0.1", port, HOST, "/", client) == (200, f"{HOST}/".encode())
        with pytest.raises(ssl.SSLCertVerificationError):
            fetch("127.0.0.1", port, "other.example", "/", client)


def test_documents_fit_the_schemas() -> None:
    check_schemas(DOCUMENTS)


def test_the_controller_is_restricted_and_has_no_more_than_it_needs() -> None:
    check_restricted(of("Deployment", DOCUMENTS)["spec"]["template"]["spec"])
    for each in DOCUMENTS:
        check_rights(each.get("rules", []))
    assert "secrets" not in str(of("ClusterRole", DOCUMENTS)["rules"])


def test_the_image_is_one_of_the_bundle() -> None:
    [container] = of("Deployment", DOCUMENTS)["spec"]["template"]["spec"]["containers"]
    rows = yaml.safe_load((CHECKOUT / "roles/bundle/vars/main.yml").read_text())["_bundle_images"]
    [row] = [each for each in rows if each["name"] == container["image"]]
    assert container["command"] == row["entrypoint"] == [row["files"][0]["dest"]]


def test_the_class_and_the_variables_are_those_of_the_role() -> None:
    assert of("IngressClass", DOCUMENTS)["metadata"]["name"] == INGRESS["nginx_pool_ingress_class"]
    assert INGRESS.keys() <= defaults("nginx_pool").keys()
