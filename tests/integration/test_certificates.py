"""The module certificates against an API server: what is kept in Secrets, and what of it is seen."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from ansible_collections.slipway.cloud.plugins.module_utils._certificates import (
    Wanted,
    contents,
    secret_with,
    settled,
)
from tests.support.ansible import Run, module

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

SERVER = {"secret": "tls", "common_name": "shop", "dns_names": ["shop.svc"], "usages": ["server"]}
WANTED = {"authority": {"secret": "ca", "common_name": "Shop"}, "certificates": [SERVER]}
SECRET = "PRIVATE KEY"


def held(api: ApiServer, namespace: str) -> dict[str, dict[str, str]]:
    secrets = api.request("GET", f"/api/v1/namespaces/{namespace}/secrets")["items"]
    return {each["metadata"]["name"]: contents(each) for each in secrets}


def actions(answer: Run) -> list[str]:
    assert answer.code == 0, answer.output
    assert SECRET not in answer.output
    assert base64.b64encode(b"-----BEGIN PRIV").decode() not in answer.output
    return [each["action"] for each in answer.result["certificates"]]


def test_life(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    def run(options: dict[str, Any], *flags: str) -> Run:
        return module(
            "certificates", {**options, "namespace": namespace}, "--diff", "-vvv", *flags, kubeconfig=kubeconfig
        )

    assert actions(run(WANTED, "--check")) == ["make", "make"]
    assert held(api, namespace) == {}

    assert actions(run(WANTED)) == ["make", "make"]
    made = held(api, namespace)
    again = run(WANTED)
    assert (actions(again), again.result["changed"], held(api, namespace)) == (["keep", "keep"], False, made)

    renamed = run({**WANTED, "certificates": [{**SERVER, "dns_names": ["shop.svc", "new.svc"]}]})
    assert actions(renamed) == ["keep", "make"]
    assert "new.svc" in renamed.output

    pair = {"certificate": made["tls"]["tls.crt"], "key": made["tls"]["tls.key"]}
    assert actions(run({**WANTED, "certificates": [{**SERVER, **pair}]})) == ["keep", "take"]
    assert held(api, namespace) == made


def test_renewal(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=300)
    wanted = (
        Wanted(secret="ca", common_name="Shop"),
        [Wanted(secret="tls", common_name="shop", dns_names=("shop.svc",), usages=("server",))],
    )
    old = {name: step.data for name, step in settled(long_ago, 365, *wanted, {}).items()}
    for name, data in old.items():
        api.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret_with(name, namespace, data, None))
    answer = module("certificates", {**WANTED, "namespace": namespace}, kubeconfig=kubeconfig)
    assert actions(answer) == ["make", "make"]
    assert "a third of its life or less is left" in answer.result["certificates"][0]["reason"]
    assert old["ca"]["ca.crt"] in held(api, namespace)["tls"]["ca.crt"]


def pems(data: dict[str, str]) -> tuple[bytes, bytes, bytes]:
    return data["ca.crt"].encode(), data["tls.key"].encode(), data["tls.crt"].encode()


def call(client: dict[str, str], server: dict[str, str]) -> None:
    """Call a server with one Secret as a client with another, over gRPC; each checks the other. Raises RpcError."""
    with ThreadPoolExecutor(1) as pool:
        listening = grpc.server(pool)
        health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(), listening)
        ca, key, certificate = pems(server)
        credentials = grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)
        port = listening.add_secure_port("localhost:0", credentials)
        listening.start()
        try:
            with grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(*pems(client))) as channel:
                health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        finally:
            listening.stop(None).wait()


def test_renewal_breaks_no_connection() -> None:
    """Whoever has read its Secret anew, and whoever has not yet, accept each other; nobody else is accepted."""
    now = datetime.now(UTC)
    server = Wanted(secret="tls", common_name="shop", dns_names=("localhost",), usages=("server",))
    client = Wanted(secret="client", common_name="till", usages=("client",))
    wanted = Wanted(secret="ca", common_name="Shop"), [server, client]

    def held_after(moment: datetime, found: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        return {name: step.data for name, step in settled(moment, 365, *wanted, found).items()}

    before = held_after(now - timedelta(days=300), {})
    after = held_after(now, before)
    stranger = held_after(now, {})
    for of_client in (before, after):
        for of_server in (before, after):
            call(of_client["client"], of_server["tls"])
        for pair in ((of_client["client"], stranger["tls"]), (stranger["client"], of_client["tls"])):
            with pytest.raises(grpc.RpcError):
                call(*pair)


def test_what_is_not_ours_stays(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    api.request("POST", secrets, {"metadata": {"name": "tls"}, "stringData": {"whose": "theirs"}})
    answer = module("certificates", {**WANTED, "namespace": namespace}, kubeconfig=kubeconfig)
    assert answer.result["code"] == "not_ours", answer.output
    assert held(api, namespace) == {"tls": {"whose": "theirs"}}


def test_bad_input(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    given = {**SERVER, "certificate": "garbage", "key": f"-----BEGIN {SECRET}-----"}
    options = {**WANTED, "certificates": [given], "namespace": namespace}
    answer = module("certificates", options, "-vvv", kubeconfig=kubeconfig)
    assert answer.result["code"] == "invalid_input"
    assert "tls: what is given as certificate is no PEM of one" in answer.result["msg"]
    assert SECRET not in answer.output
    assert held(api, namespace) == {}
