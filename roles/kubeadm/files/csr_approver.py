# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, Slipway contributors
"""Approves the certificates that kubelets ask for to serve with, first ones and renewals, and nothing else.

kube-controller-manager signs them but approves none: only who knows the machines can tell whether a kubelet may call
itself by a name or an address. Here a request is approved if it comes from the node itself and names nothing but that
Node's own addresses. What does not fit is left alone, for a person to judge.

Usage: csr_approver.py KUBECONFIG. Ends when a watch ends; systemd starts it again.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import logging
import queue
import subprocess
import sys
import threading
import typing as t
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

Object = t.Mapping[str, t.Any]

SIGNER = "kubernetes.io/kubelet-serving"
NODES = "system:nodes"
USERNAME_PREFIX = "system:node:"
# What the signer accepts: keys other than RSA do not encipher.
USAGES = (
    frozenset({"digital signature", "server auth"}),
    frozenset({"digital signature", "key encipherment", "server auth"}),
)
ATTRIBUTES = {NameOID.COMMON_NAME: "CN", NameOID.ORGANIZATION_NAME: "O"}
NAMES = frozenset({"Hostname", "InternalDNS", "ExternalDNS"})
ADDRESSES = frozenset({"InternalIP", "ExternalIP"})

log = logging.getLogger("csr-approver")


@dataclass(frozen=True)
class Request:
    """A pending request of a kubelet, as far as it matters here."""

    name: str
    username: str
    groups: frozenset[str]
    usages: frozenset[str]
    subject: tuple[tuple[str, str], ...]
    """Pairs of attribute, by its OID unless it is one of a node's, and value."""
    names: frozenset[str]
    addresses: frozenset[str]
    others: frozenset[str]
    """Alternative names that are neither DNS names nor addresses."""

    @property
    def node(self) -> str:
        """The name of the node that asks."""
        return self.username.removeprefix(USERNAME_PREFIX)


def is_pending(csr: Object) -> bool:
    """Tell whether this is a kubelet's request that nobody judged yet."""
    return csr["spec"]["signerName"] == SIGNER and not csr.get("status", {}).get("conditions")


def parse(csr: Object) -> Request:
    """Return what a CertificateSigningRequest asks for; ValueError if that is not a signed PKCS #10 request."""
    spec = csr["spec"]
    asked = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
    if not asked.is_signature_valid:
        raise ValueError("the request is not signed by its own key")
    try:
        alternatives = list(asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        alternatives = []
    return Request(
        name=csr["metadata"]["name"],
        username=spec.get("username", ""),
        groups=frozenset(spec.get("groups", [])),
        usages=frozenset(spec.get("usages", [])),
        subject=tuple(
            (ATTRIBUTES.get(attribute.oid, attribute.oid.dotted_string), str(attribute.value))
            for attribute in asked.subject
        ),
        names=frozenset(name.value.lower() for name in alternatives if isinstance(name, x509.DNSName)),
        addresses=frozenset(str(name.value) for name in alternatives if isinstance(name, x509.IPAddress)),
        others=frozenset(repr(name) for name in alternatives if not isinstance(name, x509.DNSName | x509.IPAddress)),
    )


def objections(request: Request, node: Object | None) -> list[str]:
    """Return everything that speaks against a request; an empty list approves it.

    :param node: the Node of the name that asks, or None if there is none.
    """
    own = (node or {}).get("status", {}).get("addresses", [])
    foreign_names = request.names - {entry["address"].lower() for entry in own if entry["type"] in NAMES}
    foreign_addresses = request.addresses - {
        str(ipaddress.ip_address(entry["address"])) for entry in own if entry["type"] in ADDRESSES
    }
    checks = {
        f"{request.username!r} is not a node": request.username.startswith(USERNAME_PREFIX) and NODES in request.groups,
        f"its usages are {sorted(request.usages)}": request.usages in USAGES,
        f"its subject is {request.subject}": sorted(request.subject) == [("CN", request.username), ("O", NODES)],
        "it names neither a host nor an address": bool(request.names | request.addresses),
        f"it names {sorted(request.others)}": not request.others,
        f"there is no Node {request.node!r}": node is not None,
        f"{sorted(foreign_names)} are not names of {request.node!r}": not foreign_names,
        f"{sorted(foreign_addresses)} are not addresses of {request.node!r}": not foreign_addresses,
    }
    return [objection for objection, fits in checks.items() if not fits]


class Api(t.Protocol):
    """What judging needs of the API."""

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object, or None if there is none."""

    def approve(self, name: str) -> None:
        """Approve a request."""


class Kubectl:
    """The API, as the user of a kubeconfig may see it."""

    def __init__(self, kubeconfig: str) -> None:
        self._command = ("/usr/local/bin/kubectl", f"--kubeconfig={kubeconfig}")

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object, or None if there is none."""
        found = self._run("get", kind, name, "--ignore-not-found", "--output=json")
        return t.cast("Object", json.loads(found)) if found else None

    def approve(self, name: str) -> None:
        """Approve a request."""
        self._run("certificate", "approve", name)

    def watch(self, kind: str, *options: str) -> t.Iterator[str]:
        """Yield the name of each object that is there, then of each that changes, until the watch ends."""
        command = [*self._command, "get", kind, "--watch", "--output=name", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                yield line.strip().partition("/")[2]

    def _run(self, *arguments: str) -> str:
        return subprocess.run([*self._command, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


class Approver:
    """Judges requests when they come, and those it left alone again when their Node changes."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._left: dict[str, str] = {}  # request -> the node that asks

    def node_changed(self, node: str) -> None:
        """Judge again what this node asked for: its new address may come after the request that names it."""
        for name in [name for name, asking in self._left.items() if asking == node]:
            self.request_changed(name)

    def request_changed(self, name: str) -> None:
        """Judge a request; approve it or say why not."""
        self._left.pop(name, None)
        csr = self._api.get("csr", name)
        if csr is None or not is_pending(csr):
            return
        try:
            request = parse(csr)
        except ValueError as error:
            log.warning("%s left alone: %s", name, error)
            return
        against = objections(request, self._api.get("node", request.node))
        if against:
            self._left[name] = request.node
            log.warning("%s left alone: %s", name, "; ".join(against))
        else:
            self._api.approve(name)
            log.info("%s of %s approved", name, request.node)


Call = t.Callable[[], None]


def _forward(names: t.Iterator[str], handle: t.Callable[[str], None], calls: queue.SimpleQueue[Call | None]) -> None:
    for name in names:
        calls.put(lambda name=name: handle(name))  # type: ignore[misc]
    calls.put(None)


def main() -> None:
    """Follow the requests and the Nodes, one change at a time, until one of the watches ends."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    kubectl = Kubectl(sys.argv[1])
    approver = Approver(kubectl)
    calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
    watches = (
        (kubectl.watch("csr", f"--field-selector=spec.signerName={SIGNER}"), approver.request_changed),
        (kubectl.watch("node"), approver.node_changed),
    )
    for names, handle in watches:
        threading.Thread(target=_forward, args=(names, handle, calls), daemon=True).start()
    for call in iter(calls.get, None):
        call()


if __name__ == "__main__":
    main()
