"""Serving certificates of the kubelets: signed by the cluster's CA for their own names only."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.kubernetes import Kubernetes, Object

KUBELET_PORT = 10250
SIGNER = "kubernetes.io/kubelet-serving"


def authority(kubernetes: Kubernetes) -> str:
    """The cluster's CA, from the kubeconfig."""
    config = json.loads(kubernetes.kubectl("config", "view", "--raw", "--output=json"))
    return base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()


def request(node: str, *names: x509.GeneralName) -> bytes:
    """A certificate request of the kubelet of `node` for these names."""
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    )


def file_request(kubernetes: Kubernetes, name: str, node: str, pem: bytes, path: Path) -> None:
    """File a certificate request as the kubelet of `node` does."""
    spec = {
        "request": base64.b64encode(pem).decode(),
        "signerName": SIGNER,
        "usages": ["digital signature", "server auth"],
    }
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": spec,
    }
    path.write_text(json.dumps(body))
    groups = [f"--as-group={group}" for group in ("system:nodes", "system:authenticated")]
    kubernetes.kubectl("create", f"--filename={path}", f"--as=system:node:{node}", *groups)


def verdicts(csr: Object) -> set[str]:
    """`Approved`, `Denied`, both or none."""
    return {condition["type"] for condition in csr["status"].get("conditions", [])}


def test_kubelets_serve_verified_certificates(kubernetes: Kubernetes) -> None:
    context = ssl.create_default_context(cadata=authority(kubernetes))
    for node, address in kubernetes.addresses.items():
        for name in (node, address):
            with socket.create_connection((address, KUBELET_PORT), timeout=5) as connection:
                context.wrap_socket(connection, server_hostname=name).close()


def test_logs_and_exec(kubernetes: Kubernetes) -> None:
    proxies = kubernetes.items("pods", "--namespace=kube-system", "--selector=k8s-app=kube-proxy")
    assert len(proxies) == len(kubernetes.addresses)
    for pod in (proxy["metadata"]["name"] for proxy in proxies):
        assert kubernetes.kubectl("logs", pod, "--namespace=kube-system", "--tail=1")
        assert kubernetes.kubectl("exec", pod, "--namespace=kube-system", "--", "echo", "here").strip() == "here"


@pytest.mark.parametrize(
    "foreign",
    [x509.DNSName("evil.example"), x509.IPAddress(ip_address("192.0.2.1"))],
    ids=["foreign name", "foreign address"],
)
def test_a_request_for_a_foreign_name_is_not_approved(
    kubernetes: Kubernetes, tmp_path: Path, foreign: x509.GeneralName
) -> None:
    node, address = list(kubernetes.addresses.items())[-1]
    own = [x509.DNSName(node), x509.IPAddress(ip_address(address))]
    names = {"test-foreign": [*own, foreign], "test-own": own}
    try:
        for name, alternatives in names.items():
            file_request(kubernetes, name, node, request(node, *alternatives), tmp_path / name)
        approved = "Approved"
        eventually(
            lambda: approved in verdicts(kubernetes.get("csr", "test-own")), within=60, what="own names approved"
        )
        assert approved not in verdicts(kubernetes.get("csr", "test-foreign"))
    finally:
        kubernetes.kubectl("delete", "csr", "--ignore-not-found", *names)
