"""What is read from Kubernetes by kubectl: which worker is ready, and a client certificate. And a port-forward."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import os
import re
import shutil
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

from .errors import LookUpError, NoWorkerError, SetupError, SlipwayctlError

SERVICE = "worker"
SECRET = "worker-client"
PORT_NAME = "grpc"

_FORWARDING = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+) ->", re.MULTILINE)
_OPEN_WITHIN = 10.0  # seconds, of a port-forward
_READ_WITHIN = 30.0  # seconds

Json = dict[str, t.Any]


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM: the authorities that the worker is checked by, and what we show it."""

    authorities: bytes
    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Worker:
    """A ready pod and the port that it listens on."""

    pod: str
    port: int


def ready_workers(slices: Json) -> list[Worker]:
    """Return the pods of a list of EndpointSlices that take calls, by name."""
    found = set()
    for each in slices.get("items") or []:
        ports = {port.get("name"): port.get("port") for port in each.get("ports") or []}
        for endpoint in each.get("endpoints") or []:
            target = endpoint.get("targetRef") or {}
            if ports.get(PORT_NAME) and target.get("kind") == "Pod" and _takes_calls(endpoint.get("conditions") or {}):
                found.add(Worker(target["name"], ports[PORT_NAME]))
    return sorted(found, key=lambda worker: worker.pod)


def _takes_calls(conditions: Json) -> bool:
    return conditions.get("ready") is not False and not conditions.get("terminating")


def certificates_of(secret: Json) -> Certificates:
    """Return what is in a Secret of type kubernetes.io/tls. :raises SetupError: if something lacks."""
    data = secret.get("data") or {}
    try:
        ca, certificate, key = (
            base64.b64decode(data[name], validate=True) for name in ("ca.crt", "tls.crt", "tls.key")
        )
    except (KeyError, binascii.Error) as error:
        raise SetupError(
            f"The Secret {SECRET} holds no usable certificate: {error}.", "Run site.yml: the role worker renews it."
        ) from error
    return Certificates(ca, certificate, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """The program, with the options that say which Kubernetes; the namespace is the workers'."""

    program: str
    options: tuple[str, ...]
    namespace: str

    async def workers(self) -> list[Worker]:
        """Return the ready pods of the Service. :raises SlipwayctlError: if they cannot be read."""
        labels = f"kubernetes.io/service-name={SERVICE}"
        slices = await self._read("endpointslices.discovery.k8s.io", "--selector", labels)
        if not slices.get("items"):
            raise SetupError(
                f"There is no worker in namespace {self.namespace}: no Service {SERVICE}.",
                "Install it by site.yml, or say where it is by --worker-namespace, --context or --kubeconfig.",
            )
        return ready_workers(slices)

    async def certificates(self) -> Certificates:
        """Return the certificate for clients. :raises SlipwayctlError: if it cannot be read."""
        return certificates_of(await self._read("secret", SECRET))

    async def _read(self, *what: str) -> Json:
        command = [*self._command("get"), *what, "--output", "json", f"--request-timeout={_READ_WITHIN:g}s"]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            output, errors = await process.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        if process.returncode:
            raise kubectl_error(errors.decode(errors="replace"), self.namespace)
        answer: Json = json.loads(output)
        return answer

    def _command(self, verb: str) -> list[str]:
        return [self.program, *self.options, f"--namespace={self.namespace}", verb]

    async def forward(self, worker: Worker) -> Forward:
        """Open a port of this machine that leads to a worker. :raises NoWorkerError: if it cannot be opened."""
        command = [*self._command("port-forward"), f"pod/{worker.pod}", f":{worker.port}", "--address=127.0.0.1"]
        process = await asyncio.create_subprocess_exec(
            *_bound_to_us(),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # else Ctrl-C would end it too, and we have to clean up yet
        )
        forward = Forward(worker, process)
        try:
            await forward.opened()
        except BaseException:
            await forward.close()
            raise
        return forward


def _bound_to_us() -> list[str]:
    """Return what ends a command that follows when this process ends, however that ends."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


class Forward:
    """A port-forward: a child process that is ended with it."""

    def __init__(self, worker: Worker, process: asyncio.subprocess.Process) -> None:
        self.worker = worker
        self.port = 0
        self._process = process
        self._said = ""
        self._opened = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        """Read what it says until it ends, be it lines or not: where nobody reads, its end would not be noticed."""
        assert self._process.stdout
        while said := await self._process.stdout.read(4096):
            self._said += said.decode(errors="replace")
            if not self.port and (match := _FORWARDING.search(self._said)):
                self.port = int(match[1])
                self._opened.set()
            self._said = self._said[-2000:]
        self._opened.set()

    async def opened(self) -> None:
        """Wait until the port listens. :raises NoWorkerError: if it never does."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._opened.wait(), _OPEN_WITHIN)
        if not self.port:
            said = self._said.strip() or f"nothing heard of it for {_OPEN_WITHIN:g} s"
            raise NoWorkerError(f"No port-forward to pod {self.worker.pod}: {said}.")

    async def close(self) -> None:
        """End the child process."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading


def find_kubectl(namespace: str, *, kubeconfig: str, context: str, environ: t.Mapping[str, str]) -> Kubectl:
    """Return the kubectl beside our interpreter, else that on the PATH, for a kubeconfig that exists.

    :raises SetupError: if there is none, or no kubeconfig.
    """
    beside = Path(sys.executable).with_name("kubectl")
    program = str(beside) if beside.exists() else shutil.which("kubectl")
    if not program:
        raise SetupError(
            "There is no kubectl to reach a worker by.", "Put it on the PATH, or name a worker by --address."
        )
    named = kubeconfig or environ.get("K8S_AUTH_KUBECONFIG", "")
    paths = [named] if named else environ.get("KUBECONFIG", "~/.kube/config").split(os.pathsep)
    if not any(Path(path).expanduser().is_file() for path in paths if path):
        raise SetupError(
            f"There is no kubeconfig to reach a worker by: {os.pathsep.join(paths)} does not exist.",
            "Name one by --kubeconfig or KUBECONFIG, as `make status` shows it, or a worker by --address.",
        )
    options = [*([f"--kubeconfig={named}"] if named else []), *([f"--context={context}"] if context else [])]
    return Kubectl(program=program, options=tuple(options), namespace=namespace)


_KUBECTL_ERRORS: tuple[tuple[str, type[SlipwayctlError], str, str], ...] = (
    (
        r'secrets "worker-client" not found',
        SetupError,
        "There is no certificate for clients: namespace {namespace} has no Secret worker-client.",
        "Install the worker by site.yml, or say where it is by --worker-namespace, --context or --kubeconfig.",
    ),
    (
        r"\(Forbidden\)",
        SetupError,
        "This kubeconfig may not use the worker: {said}",
        "Use one that may read EndpointSlices and the Secret worker-client, and port-forward, in {namespace}.",
    ),
    (
        r"context .* (was not found|does not exist)|no context exists",
        SetupError,
        "{said}",
        "Name a context of the kubeconfig by --context.",
    ),
    (
        r"[Uu]nauthorized|provide credentials|must be logged in",
        SetupError,
        "The API server does not accept this kubeconfig: {said}",
        "Log in again, or fetch a new kubeconfig.",
    ),
)


def kubectl_error(said: str, namespace: str) -> SlipwayctlError:
    """Return the error for what kubectl wrote before it failed."""
    said = said.strip().splitlines()[-1] if said.strip() else "kubectl failed and said nothing"
    for pattern, kind, message, remedy in _KUBECTL_ERRORS:
        if re.search(pattern, said):
            return kind(message.format(said=said, namespace=namespace), remedy.format(namespace=namespace))
    return LookUpError(f"The workers cannot be looked up: {said}", "Does the API server of this kubeconfig run?")
