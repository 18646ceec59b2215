"""Seed 003 on the real Kubernetes: a file of objects and steps, each step after the effect of the one before."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import Run, playbook
from tests.support.paths import VENV_BIN
from tests.support.seldon_stand_in import NO_ENGINE, SELDON, definition, operator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.kubernetes import Kubernetes

Object = dict[str, Any]

SERVE = """
import http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
http.server.test(http.server.SimpleHTTPRequestHandler, port=9000)
"""


@pytest.fixture(scope="module")
def python(kubernetes: Kubernetes) -> str:
    """An image that can answer requests."""
    return kubernetes.image("slipway.local/python-base")


@pytest.fixture
def seldon(kubernetes: Kubernetes, namespace: str, pause: str, tmp_path: Path) -> Iterator[str]:
    """A namespace in which the stand-in looks after SeldonDeployments."""
    kubernetes.apply([definition()], into=tmp_path / "definition.json")
    kubernetes.kubectl("wait", "--for=condition=Established", "--timeout=20s", f"crd/{SELDON.plural}.{SELDON.group}")
    with operator(kubernetes.kubeconfig, namespace, engine_image=pause, log=tmp_path / "operator.log"):
        yield namespace


@contextmanager
def watched(kubernetes: Kubernetes, namespace: str, log: Path) -> Iterator[None]:
    """Note all that happens to the pods of a namespace, by kubectl, which knows nothing of us."""
    flags = ["--watch", "--output-watch-events", "--output=json", f"--namespace={namespace}"]
    command = [str(VENV_BIN / "kubectl"), f"--kubeconfig={kubernetes.kubeconfig}", "get", "pods", *flags]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def documents(path: Path) -> Iterator[Object]:
    """The JSON documents of a file that holds several."""
    text, decoder = path.read_text(), json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:]


def available_counts(log: Path) -> list[int]:
    """How many pods were ready and to stay, after each change in that number."""
    ready: set[str] = set()
    counts = [0]
    for event in documents(log):
        pod = event["object"]
        conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
        there = event["type"] != "DELETED" and "deletionTimestamp" not in pod["metadata"]
        (ready.add if there and conditions.get("Ready") == "True" else ready.discard)(pod["metadata"]["uid"])
        counts += [len(ready)] * (len(ready) != counts[-1])
    return counts


def ready_since(log: Path) -> list[float]:
    """When each pod became ready, by the kubelet's clock: seconds since the epoch, in whole seconds."""
    return sorted(
        {
            event["object"]["metadata"]["uid"]: datetime.fromisoformat(each["lastTransitionTime"]).timestamp()
            for event in documents(log)
            for each in event["object"]["status"].get("conditions", [])
            if (each["type"], each["status"]) == ("Ready", "True")
        }.values()
    )


def events(path: Path) -> list[Object]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def take(kubernetes: Kubernetes, file: Path, **variables: Any) -> Run:
    """Run the playbook on a file."""
    known = {"lifecycle_file": str(file), "site_kubeconfig": str(kubernetes.kubeconfig), "lifecycle_timeout": 60}
    return playbook("lifecycle", {"confirm": "yes", **known, **variables}, inventory="existing", timeout=120)


def model(image: str, namespace: str) -> Object:
    """A SeldonDeployment as in the seed: its predictor has a number of its own."""
    server = {"name": "classifier", "image": image, "command": ["python3", "-c", SERVE]}
    component = {"spec": {"containers": [server]}}
    predictor = {"name": "default", "replicas": 1, "componentSpecs": [component], "graph": {"name": "classifier"}}
    return {
        "apiVersion": SELDON.api_version,
        "kind": SELDON.kind,
        "metadata": {"name": "model", "namespace": namespace, "annotations": {NO_ENGINE: "true"}},
        "spec": {"name": "model", "predictors": [predictor]},
    }


def test_the_case_of_the_seed(kubernetes: Kubernetes, seldon: str, python: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(model(python, seldon)))
    with watched(kubernetes, seldon, tmp_path / "pods.json"):
        answer = take(kubernetes, tmp_path / "model.json")
    assert answer.code == 0, answer.output
    assert available_counts(tmp_path / "pods.json") in ([0, 1, 2, 0], [0, 1, 2, 1, 0])
    assert kubernetes.items("seldondeployments,deployments,pods", f"--namespace={seldon}") == []

    told = events(tmp_path / "model.events.ndjson")
    milestones = [each["milestone"] for each in told if each["milestone"]]
    wait, step = ["took effect"], ["executed", "took effect"]
    assert milestones == [*step, *wait, *step, *wait, *step]
    effects = [each["time"] for each in told if each["milestone"] == "took effect"]
    assert all(effect >= ready for effect, ready in zip(effects[1:3], ready_since(tmp_path / "pods.json"), strict=True))
    for line in ("executed     SeldonDeployment model", "took effect  SeldonDeployment model"):
        assert line in answer.output


def test_steps_in_any_order_and_a_request(kubernetes: Kubernetes, namespace: str, python: str, tmp_path: Path) -> None:
    cluster = {"name": "web", "image": python, "command": ["python3", "-c", SERVE]}
    labels = {"app.kubernetes.io/instance": "web"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"type": "LoadBalancer", "selector": labels, "ports": [{"port": 80, "targetPort": 9000}]},
    }
    steps = [
        {"create": {"replicas": 2}},
        {"request": {"service": "web", "contains": "Directory listing"}},
        {"request": {"service": "web", "path": "/missing", "status": [404], "via": "address"}},
        {"pause": 1},
        "restart",
        {"patch": {"metadata": {"annotations": {"tried": "yes"}}}},
        {"request": {"service": "web", "method": "POST", "body": {"a": 1}, "status": [501]}},
        "delete",
    ]
    file = tmp_path / "web.yaml"
    file.write_text(json.dumps({"namespace": namespace, "clusters": [cluster], "resources": [service], "steps": steps}))
    answer = take(kubernetes, file)
    assert answer.code == 0, answer.output
    assert kubernetes.items("services,deployments,pods", f"--namespace={namespace}") == []
    answered = [each["message"] for each in events(tmp_path / "web.events.ndjson") if each["stage"] == "answered"]
    assert answered == ["GET /: 200", "GET /missing: 404", "POST /: 501"]


def test_nothing_is_deleted_without_a_yes(kubernetes: Kubernetes, namespace: str, pause: str, tmp_path: Path) -> None:
    file = tmp_path / "kept.yaml"
    file.write_text(json.dumps({"namespace": namespace, "clusters": [{"name": "kept", "image": pause}]}))
    answer = take(kubernetes, file, confirm="no")
    assert answer.code != 0
    assert "Nothing was deleted: answer yes, or give -e confirm=yes." in answer.output
    assert len(kubernetes.items("pods", f"--namespace={namespace}")) == 2
