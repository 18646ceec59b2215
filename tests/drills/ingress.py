"""The page of the pool by the name of its host: through Traefik of the bundle, on the VMs of `make up`."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.ansible import playbook
from tests.support.authority import Authority
from tests.support.kubernetes import Kubernetes, succeed
from tests.support.listing import ask, connection_to
from tests.support.listing_live import HERE, Site
from tests.support.paths import CHECKOUT
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "Drill ingress: the page of the pool by the name of its host, through Traefik, plain and by TLS"
MANIFEST = CHECKOUT / "tests/drills/traefik.yaml"
HOST, OTHER_HOST = "pods.example", "other.example"
SECRET = "pods-tls"
INGRESS = {
    "nginx_pool_ingress_hosts": [HOST],
    "nginx_pool_ingress_class": "traefik",
    "nginx_pool_ingress_tls_secret": SECRET,
}
BUILD_TIMEOUT = 3600.0  # seconds that a build of the controllers of drills from empty caches may take
PATIENCE = 5.0  # seconds for one request


def steps() -> dict[str, Callable[[], str]]:
    """The controller first."""
    return {"controller": built, "page": served}


def built() -> str:
    """Have the controller in the bundle, and its image on every node."""
    made = succeed(playbook("bundle", {"bundle_tags": ["drills"]}, timeout=BUILD_TIMEOUT))
    given = succeed(playbook("site", {"vm_set": Kubernetes().vm_set}))
    return f"built in {made.seconds:.0f} s, on the nodes in {given.seconds:.0f} s"


def served() -> str:
    """Have the Ingress and its controller, and compare what is asked for by name with what the pool says."""
    kubernetes = Kubernetes()
    with tempfile.TemporaryDirectory() as name:
        authority = Authority.new("slipway drill")
        files = authority.host(Path(name), HOST)
        pair = (f"--cert={files / 'tls.crt'}", f"--key={files / 'tls.key'}")
        try:
            kubernetes.kubectl("create", "secret", "tls", SECRET, HERE, *pair)
            kubernetes.kubectl("apply", "--server-side", f"--filename={MANIFEST}")
            rolled_out(kubernetes, INGRESS)
            kubernetes.kubectl(
                "rollout", "status", "deployment/traefik", "--namespace=traefik", "--timeout=90s", timeout=100
            )
            return compared(kubernetes, ssl.create_default_context(cafile=files / "ca.crt"))
        finally:
            rolled_out(kubernetes, {})
            kubernetes.kubectl("delete", "--ignore-not-found", f"--filename={MANIFEST}", timeout=120)
            kubernetes.kubectl("delete", "secret", SECRET, HERE, "--ignore-not-found")


def rolled_out(kubernetes: Kubernetes, variables: dict[str, Any]) -> None:
    """Have the pool with these variables."""
    succeed(playbook("refresh", {"vm_set": kubernetes.vm_set, "refresh_role": "nginx_pool", **variables}))


def compared(kubernetes: Kubernetes, context: ssl.SSLContext) -> str:
    """Ask at Traefik's address by the name of the host, plain and by TLS, and by another name."""
    address = eventually(partial(announced, kubernetes), within=30, what="an address for Traefik")
    site = Site(kubernetes)

    def by_name() -> list[Any]:
        try:
            answers = [fetch(address, 80, HOST, "/index.json"), fetch(address, 443, HOST, "/index.json", context)]
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(str(error)) from error
        assert [status for status, _body in answers] == [200, 200], answers
        return [json.loads(body) for _status, body in answers]

    listings = eventually(by_name, within=60, what=f"the list of {HOST} at {address}")
    direct = json.loads(ask(connection_to(site.url), "/index.json")[1])
    for each in listings:
        assert each["endpoints"] == direct["endpoints"], f"{each} at Traefik, {direct} at the pool"
    status, page = fetch(address, 443, HOST, "/", context)
    assert (status, b"<html" in page) == (200, True), f"status {status}: {page[:200]!r}"
    other = fetch(address, 80, OTHER_HOST, "/")[0]
    assert other == http.client.NOT_FOUND, f"status {other} for a host that no Ingress names"
    return f"{len(direct['endpoints'])} pods listed at {address}, plain and by TLS; 404 for another host"


def announced(kubernetes: Kubernetes) -> str:
    """The address that the load balancer has given Traefik; empty while there is none."""
    template = "--output=jsonpath={.status.loadBalancer.ingress[0].ip}"
    return kubernetes.kubectl("get", "service", "traefik", "--namespace=traefik", template).strip()


def fetch(address: str, port: int, host: str, path: str, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """The status and body of one GET at an address, by the name of a host; by TLS where there is a context."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    plain = socket.create_connection((address, port), timeout=PATIENCE)
    connection.sock = context.wrap_socket(plain, server_hostname=host) if context else plain
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
