"""Which serving certificates are approved, and why the others are not."""

from __future__ import annotations

import base64
import ipaddress
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from roles.kubeadm.files.csr_approver import Approver, is_pending, objections, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY = ec.generate_private_key(ec.SECP256R1())
NODE = {
    "status": {
        "addresses": [
            {"type": "InternalIP", "address": "10.77.0.12"},
            {"type": "InternalIP", "address": "fd00:0:0::12"},
            {"type": "Hostname", "address": "node2"},
        ]
    }
}
SUBJECT = ((NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, "system:node:node2"))
OTHERS_ADDRESS = ["dns:node2", "ip:10.77.0.13"]


def pkcs10(subject: Sequence[tuple[x509.ObjectIdentifier, str]], alternatives: Sequence[str]) -> bytes:
    """Return a signed request for alternative names given as ``dns:``, ``ip:``, ``mail:`` or ``uri:`` and a value."""
    make = {
        "dns": x509.DNSName,
        "ip": lambda address: x509.IPAddress(ipaddress.ip_address(address)),
        "mail": x509.RFC822Name,
        "uri": x509.UniformResourceIdentifier,
    }
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    )
    names = [make[kind](value) for kind, _, value in (name.partition(":") for name in alternatives)]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, SHA256()).public_bytes(Encoding.PEM)


def csr(
    *,
    subject: Sequence[tuple[x509.ObjectIdentifier, str]] = SUBJECT,
    alternatives: Sequence[str] = ("dns:node2", "ip:10.77.0.12"),
    status: Mapping[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """Return the object that the kubelet of node2 makes, with what a case changes."""
    return {
        "metadata": {"name": "csr-1"},
        "spec": {
            "signerName": "kubernetes.io/kubelet-serving",
            "username": "system:node:node2",
            "groups": ["system:nodes", "system:authenticated"],
            "usages": ["digital signature", "server auth"],
            "request": base64.b64encode(pkcs10(subject, alternatives)).decode(),
            **spec,
        },
        "status": status or {},
    }


@pytest.mark.parametrize(
    ("request_", "node", "against"),
    [
        pytest.param(csr(), NODE, "", id="its own name and address"),
        pytest.param(csr(alternatives=["ip:fd00::12"]), NODE, "", id="an address written otherwise"),
        pytest.param(csr(alternatives=["dns:NODE2"]), NODE, "", id="names are case-insensitive"),
        pytest.param(
            csr(usages=["key encipherment", "server auth", "digital signature"]), NODE, "", id="an RSA key's usages"
        ),
        pytest.param(csr(), None, "there is no Node 'node2'", id="no such node"),
        pytest.param(csr(), {}, "['node2'] are not names", id="a node without addresses yet"),
        pytest.param(
            csr(alternatives=OTHERS_ADDRESS), NODE, "['10.77.0.13'] are not addresses", id="another's address"
        ),
        pytest.param(csr(alternatives=["dns:kubernetes"]), NODE, "['kubernetes'] are not names", id="another's name"),
        pytest.param(csr(alternatives=["dns:node2", "dns:*.svc"]), NODE, "['*.svc'] are not names", id="one too many"),
        pytest.param(csr(alternatives=[]), NODE, "neither a host nor an address", id="nothing named"),
        pytest.param(
            csr(alternatives=["dns:node2", "uri:spiffe://x"]), NODE, 'it names ["<UniformResourceIdentifier', id="a URI"
        ),
        pytest.param(
            csr(alternatives=["dns:node2", "mail:a@b.example"]), NODE, 'it names ["<RFC822Name', id="a mailbox"
        ),
        pytest.param(csr(username="system:node:node3"), NODE, "its subject is", id="asked by another node"),
        pytest.param(csr(username="admin"), NODE, "'admin' is not a node", id="asked by a user"),
        pytest.param(csr(groups=["system:authenticated"]), NODE, "is not a node", id="not in the group of nodes"),
        pytest.param(csr(usages=["client auth"]), NODE, "its usages are ['client auth']", id="another usage"),
        pytest.param(csr(usages=["server auth"]), NODE, "its usages are ['server auth']", id="a usage too few"),
        pytest.param(csr(subject=SUBJECT[1:]), NODE, "its subject is", id="no organisation"),
        pytest.param(
            csr(subject=[*SUBJECT, (NameOID.ORGANIZATION_NAME, "system:masters")]),
            NODE,
            "its subject is",
            id="a second organisation",
        ),
    ],
)
def test_objections(request_: dict[str, Any], node: dict[str, Any] | None, against: str) -> None:
    found = "; ".join(objections(parse(request_), node))
    assert against in found
    assert bool(found) == bool(against)


@pytest.mark.parametrize(
    ("request_", "pending"),
    [
        (csr(), True),
        (csr(signerName="kubernetes.io/kube-apiserver-client-kubelet"), False),
        (csr(status={"conditions": [{"type": "Approved"}]}), False),
        (csr(status={"conditions": [{"type": "Denied"}]}), False),
    ],
)
def test_is_pending(request_: dict[str, Any], pending: bool) -> None:
    assert is_pending(request_) is pending


def test_a_request_signed_by_another_key_is_refused() -> None:
    pem = pkcs10(SUBJECT, ["dns:node2"]).decode().splitlines()
    der = bytearray(base64.b64decode("".join(pem[1:-1])))
    der[-1] ^= 1
    forged = f"{pem[0]}\n{base64.b64encode(der).decode()}\n{pem[-1]}\n".encode()
    with pytest.raises(ValueError, match="not signed by its own key"):
        parse(csr(request=base64.b64encode(forged).decode()))


@pytest.mark.parametrize("request_", ["", "bm90IGEgcmVxdWVzdA=="])
def test_what_is_no_request_is_refused(request_: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(csr(request=request_))


class Api:
    """An API with one request and, once it is registered, one Node."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {"csr-1": csr()}
        self.approved: list[str] = []

    def get(self, _kind: str, name: str) -> dict[str, Any] | None:
        return self.objects.get(name)

    def approve(self, name: str) -> None:
        self.approved.append(name)
        self.objects[name]["status"] = {"conditions": [{"type": "Approved"}]}


def test_a_request_is_judged_again_when_its_node_changes() -> None:
    api = Api()
    approver = Approver(api)
    approver.request_changed("csr-1")
    assert api.approved == []

    api.objects["node2"] = NODE
    approver.node_changed("node1")
    assert api.approved == []
    approver.node_changed("node2")
    approver.node_changed("node2")
    assert api.approved == ["csr-1"]


def test_a_request_that_is_gone_is_forgotten() -> None:
    api = Api()
    api.objects.clear()
    Approver(api).request_changed("csr-1")
    assert api.approved == []
