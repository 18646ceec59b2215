"""The publisher as a process of its own on loopback, with the packages of its image, and a Service for it to list.

with Service(api, namespace) as service:
    service.set(pods(3))
    with Publisher(home, kubeconfig, namespace=namespace, targets=[bucket.target("a", create=True)]) as publisher:
        ...
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from tests.support.api_server import MERGE_PATCH, ApiError, free_ports
from tests.support.paths import CACHE, CHECKOUT, COLLECTIONS
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.support.api_server import ApiServer
    from tests.support.stores import Bucket

FILES = CHECKOUT / "roles" / "publisher" / "files"
SERVICE = "nginx-pool"
TEMPLATE = """<!doctype html><title>{{ service }}</title><p>{{ generation }} {{ at }}</p>
<ul>{% for each in endpoints %}<li>{{ each.ip }} {{ each.pod }} {{ each.node }} {{ each.since }}</li>{% endfor %}</ul>
"""
START_TIMEOUT = 30.0


@dataclass(frozen=True)
class Pod:
    """An endpoint of a slice."""

    ip: str
    name: str
    node: str = "node1"
    ready: bool | None = True

    @property
    def entry(self) -> dict[str, Any]:
        """As a slice has it."""
        conditions = {} if self.ready is None else {"ready": self.ready}
        target = {"kind": "Pod", "name": self.name}
        return {"addresses": [self.ip], "conditions": conditions, "nodeName": self.node, "targetRef": target}


def pods(count: int, *, first: int = 0, family: int = 4) -> list[Pod]:
    """So many pods; the same number is the same pod."""
    numbers = range(first, first + count)
    if family == 6:
        return [Pod(f"fd00::{number + 1:x}", f"{SERVICE}-six-{number}") for number in numbers]
    return [Pod(f"10.1.{number // 250}.{number % 250 + 1}", f"{SERVICE}-{number}") for number in numbers]


@dataclass
class Service:
    """A Service and its EndpointSlices, written here as its controller would."""

    api: ApiServer
    namespace: str
    name: str = SERVICE

    def __post_init__(self) -> None:
        self._services = f"/api/v1/namespaces/{self.namespace}/services"
        self._slices = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"

    def create(self) -> Self:
        """Make the Service, without endpoints."""
        spec = {"ports": [{"port": 80}]}
        self.api.request("POST", self._services, {"metadata": {"name": self.name}, "spec": spec})
        return self

    def set(self, listed: Sequence[Pod], *, piece: str = "one", family: str = "IPv4") -> int:
        """Have one slice list these; return its revision."""
        entries = [each.entry for each in listed]
        path = f"{self._slices}/{self.name}-{piece}"
        try:
            answer = self.api.request("PATCH", path, {"endpoints": entries}, content_type=MERGE_PATCH)
        except ApiError as error:
            if error.code != http.client.NOT_FOUND:
                raise
            answer = self.api.request("POST", self._slices, self._slice(piece, family, entries))
        return int(answer["metadata"]["resourceVersion"])

    def drop(self, piece: str) -> None:
        """Delete a slice."""
        self.api.request("DELETE", f"{self._slices}/{self.name}-{piece}")

    def _slice(self, piece: str, family: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
        labels = {"kubernetes.io/service-name": self.name}
        meta = {"name": f"{self.name}-{piece}", "labels": labels}
        return {"metadata": meta, "addressType": family, "ports": [{"port": 8080}], "endpoints": entries}


@cache
def interpreter() -> str:
    """Python with exactly what the image of the publisher has."""
    venv = CACHE / "venv-publisher"
    subprocess.run([CHECKOUT / "tools" / "venv", venv, FILES / "requirements.txt"], check=True)
    return str(venv / "bin" / "python")


@dataclass
class Publisher:
    """`python -m slipway_publisher` as a child process that cannot outlive the thread that started it."""

    home: Path
    kubeconfig: Path
    namespace: str
    targets: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, str] = field(default_factory=dict)  # whole names
    template: str | None = TEMPLATE
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = free_ports(1)[0]
        self.log = self.home / "publisher.log"
        self.template_file = self.home / "index.template"
        if self.template is not None:
            self.template_file.write_text(self.template)
        self.targets_file = self.home / "targets.json"
        self.targets_file.write_text(json.dumps(list(self.targets)))

    def __enter__(self) -> Self:
        try:
            self.start()
            eventually(self.ready, within=START_TIMEOUT, what="the publisher is ready", every=0.02)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it; it is not ready yet."""
        command = ["setpriv", "--pdeathsig", "KILL", interpreter(), "-m", "slipway_publisher"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment(), cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def run(self, *options: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        command = [interpreter(), "-m", "slipway_publisher", *options]
        return subprocess.run(
            command,
            env=self.environment(),
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def kill(self) -> None:
        """SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; return how it ended."""
        self.send(signal.SIGTERM)
        assert self.process
        return self.process.wait(timeout=30)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process
        self.process.send_signal(number)

    def ready(self) -> bool:
        """Whether it says that it is. Raises `RuntimeError` if it has ended."""
        assert self.process
        if self.process.poll() is not None:
            raise RuntimeError(f"the publisher ended: {self.log.read_text()}")
        return self.get("/readyz") == 200

    def leads(self) -> bool:
        """Whether it says that it publishes."""
        return self.metrics().get("slipway_publisher_leader") == 1

    def get(self, path: str) -> int:
        """The status of what it serves there, 0 if nobody answers."""
        return self._get(path)[0]

    def metrics(self) -> dict[str, float]:
        """Every sample by its name with labels."""
        rows = (line.rsplit(" ", 1) for line in self._get("/metrics")[1].splitlines() if line and line[0] != "#")
        return {name: float(value) for name, value in rows}

    def logged(self, level: str = "") -> list[dict[str, Any]]:
        """Its lines, of one level or all."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if not level or line["level"] == level]

    def _get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def environment(self) -> dict[str, str]:
        """What it is told."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{FILES}:{COLLECTIONS}",
            "KUBECONFIG": str(self.kubeconfig),
            "SERVICE_NAME": SERVICE,
            "TEMPLATE_DIR": str(self.home),
            "SLIPWAY_NAMESPACE": self.namespace,
            "SLIPWAY_IDENTITY": self.home.name,
            "SLIPWAY_PORT": str(self.port),
            **({"SLIPWAY_TARGETS_FILE": str(self.targets_file)} if self.targets else {}),
            **self.settings,
        }


def listed(bucket: Bucket) -> list[str]:
    """The names of the pods in the index of a bucket."""
    index = bucket.json("index.json")
    return [each["pod"] for each in index["endpoints"]] if index else []


def names(listed: Iterable[Pod]) -> list[str]:
    """The names of pods."""
    return [each.name for each in listed]
