"""etcd and kube-apiserver of the bundle on loopback, without controllers: what the integration tests talk to."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import random
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.paths import BUNDLE_BIN
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

ADMIN, POWERLESS, EXPIRING = "admin-token", "powerless-token", "expiring-token"
USERS = {ADMIN: 'admin,1,"system:masters"', POWERLESS: "powerless,2", EXPIRING: 'admin,1,"system:masters"'}
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


class ApiError(Exception):
    """The API server refused; `code` is the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


_reserved: list[socket.socket] = []  # open for as long as this process lives


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, and that no other process of the tests is given meanwhile.

    They lie below those that the kernel gives to clients: one of these may be taken between now and its use.
    """
    first_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = random.sample(range(10_000, first_of_clients), k=first_of_clients - 10_000)
    return list(itertools.islice(filter(_reserve, candidates), count))


def _reserve(port: int) -> bool:
    """Whether a port could be taken, for the life of this process: by a name that only one may have."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0slipway-test-port-{port}")
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        claim.close()
        return False
    _reserved.append(claim)
    return True


@dataclass
class ApiServer:
    """One etcd and one kube-apiserver, as child processes that cannot outlive this one."""

    home: Path
    started_in: float = 0.0
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port, self._etcd_port, self._peer_port = free_ports(3)
        self.certificate = self.home / "pki" / "apiserver.crt"
        self.private_key = self.home / "pki" / "apiserver.key"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client checks the server's certificate by."""
        return ssl.create_default_context(cafile=str(self.certificate))

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start both and wait until the API answers."""
        began = time.monotonic()
        self._write_tokens(USERS)
        _write_key_pair(self.home)
        self._run("etcd", *self._etcd_flags())
        self.start_api()
        self.started_in = time.monotonic() - began

    def stop(self) -> None:
        """Kill both; what they stored goes with the directory."""
        for name in reversed(list(self._processes)):
            self._kill(name)

    def start_api(self) -> None:
        """Start kube-apiserver alone."""
        self._run("kube-apiserver", *self._api_flags())
        eventually(self._answers, within=30, what="kube-apiserver", every=0.05)

    def stop_api(self) -> None:
        """Kill kube-apiserver alone; etcd keeps what it knows."""
        self._kill("kube-apiserver")

    def restart_without(self, token: str) -> None:
        """Start kube-apiserver again; it does not know `token` any more."""
        self.stop_api()
        self._write_tokens({each: user for each, user in USERS.items() if each != token})
        self.start_api()

    def compact(self) -> None:
        """Forget every revision of etcd but the newest, as Kubernetes itself does every 5 minutes."""
        revision = self._etcd("range", key="AA==")["header"]["revision"]
        self._etcd("compaction", revision=revision, physical=True)

    def request(self, verb: str, path: str, body: Any = None, *, content_type: str = JSON, token: str = ADMIN) -> Any:
        """Send one request past any proxy. Raises `ApiError`."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self.trust)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
        try:
            connection.request(verb, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status >= 400:
            raise ApiError(response.status, answer.get("message", ""))
        return answer

    def has(self, path: str) -> bool:
        """Whether there is something at a path."""
        try:
            self.request("GET", path)
        except ApiError as error:
            if error.code == http.client.NOT_FOUND:
                return False
            raise
        return True

    def kubeconfig(self, path: Path, *, url: str = "", token: str = ADMIN, user: Any = None) -> Path:
        """Write a kubeconfig for `url` (this server unless given) and a `user` (by `token`), and return its path."""
        ca = base64.b64encode(self.certificate.read_bytes()).decode()
        cluster = {"server": url or self.url, "certificate-authority-data": ca}
        context = {"cluster": "test", "user": "test", "namespace": "default"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user or {"token": token}}],
            "contexts": [{"name": "test", "context": context}],
        }
        path.write_text(json.dumps(config))
        return path

    def _etcd_flags(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        return [
            f"--data-dir={self.home / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        ]

    def _api_flags(self) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={self.home / 'pki'}",
            f"--token-auth-file={self.home / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.home / 'sa.pub'}",
            f"--service-account-signing-key-file={self.home / 'sa.key'}",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.0.0.0/24",
        ]

    def _write_tokens(self, users: Mapping[str, str]) -> None:
        (self.home / "tokens.csv").write_text("".join(f"{token},{user}\n" for token, user in users.items()))

    def _run(self, program: str, *flags: str) -> None:
        binaries = Path(os.environ.get("SLIPWAY_TEST_BIN") or BUNDLE_BIN)
        command = ["setpriv", "--pdeathsig", "KILL", str(binaries / program), *flags]
        with (self.home / f"{program}.log").open("ab") as log:
            self._processes[program] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _kill(self, program: str) -> None:
        process = self._processes.pop(program)
        process.kill()
        process.wait()

    def _answers(self) -> bool:
        process = self._processes["kube-apiserver"]
        if process.poll() is not None:
            raise RuntimeError(f"kube-apiserver ended: {self._tail('kube-apiserver')}\netcd: {self._tail('etcd')}")
        try:
            return bool(self.request("GET", "/api/v1/namespaces/default"))
        except (OSError, ApiError, json.JSONDecodeError) as error:
            raise AssertionError(str(error)) from error

    def _tail(self, program: str) -> str:
        return (self.home / f"{program}.log").read_text(errors="replace")[-2000:]

    def _etcd(self, call: str, **arguments: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._etcd_port, timeout=10)
        try:
            connection.request("POST", f"/v3/kv/{call}", json.dumps(arguments))
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise ApiError(response.status, str(answer))
        return answer


def _write_key_pair(home: Path) -> None:
    """The key pair that signs service account tokens."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM
    (home / "sa.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    )
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (home / "sa.pub").write_bytes(public)
