"""One small web server on each node, asked from inside the pods of all nodes: does the pod network work?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.kubernetes import Kubernetes, Object

PORT = 8080
EVERY = {"app": "probe"}  # the label of all probes
# Answers with its node and the time of its start: an answer from before a power cut cannot be taken for a new one.
SERVER = f"""
import http.server, os, time
ANSWER = f"{{os.environ['NODE']}} {{time.time()}}".encode()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(ANSWER)
http.server.ThreadingHTTPServer(("", {PORT}), Handler).serve_forever()
"""
ASK = """
import json, sys, urllib.request
from concurrent.futures import ThreadPoolExecutor
def ask(url):
    try:
        return urllib.request.urlopen(url, timeout=2).read().decode()
    except OSError as error:
        return str(error)
urls = sys.argv[1:]
print(json.dumps(dict(zip(urls, ThreadPoolExecutor(len(urls)).map(ask, urls)))))
"""


@dataclass(frozen=True)
class Probes:
    """A bare pod per node, tied to it, each with a Service of its own."""

    kubernetes: Kubernetes
    namespace: str
    nodes: tuple[str, ...]

    def start(self, image: str, *, manifest: Path) -> None:
        """Create them and wait until they run."""
        pods = [_pod(node, image, self.namespace) for node in self.nodes]
        services = [_service(node, self.namespace) for node in self.nodes]
        self.kubernetes.apply(pods + services, into=manifest)
        self.kubernetes.kubectl("wait", "pod", "--all", "--for=condition=Ready", f"--namespace={self.namespace}")

    def answer(self, *nodes: str, since: float = 0) -> bool:
        """Whether the pods of `nodes` answer the pods of all nodes, by address and by name, and began after `since`.

        `since` is in seconds since the epoch. Raises `AssertionError` saying what does not answer.
        """
        urls = {url: node for node in nodes for url in self._urls(node)}
        for asking in self.nodes:
            command = ["exec", asking, f"--namespace={self.namespace}", "--", "python3", "-c", ASK, *urls]
            answers: dict[str, str] = json.loads(self.kubernetes.kubectl(*command, timeout=10).splitlines()[-1])
            wrong = {url: answer for url, answer in answers.items() if not _is_new(answer, urls[url], since)}
            assert not wrong, f"{asking} hears {wrong}"
        return True

    def _urls(self, node: str) -> list[str]:
        address = self.kubernetes.get("pod", node, f"--namespace={self.namespace}")["status"].get("podIP")
        assert address, f"{node}'s pod has no address yet"
        return [f"http://{host}:{PORT}" for host in (address, f"{node}.{self.namespace}.svc.cluster.local")]


def _is_new(answer: str, node: str, since: float) -> bool:
    name, _, began = answer.partition(" ")
    return name == node and float(began) >= since


def _pod(node: str, image: str, namespace: str) -> Object:
    container = {
        "name": "probe",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", SERVER],
        "env": [{"name": "NODE", "value": node}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": node, "namespace": namespace, "labels": {"probe": node, **EVERY}},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 1, "containers": [container]},
    }


def _service(node: str, namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": node, "namespace": namespace},
        "spec": {"selector": {"probe": node}, "ports": [{"port": PORT}]},
    }
