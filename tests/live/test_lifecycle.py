"""Seed 003 on the real Kubernetes: a file of objects and steps, each step after the effect of the one before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.seed_case import SERVE, events, live, take
from tests.support.seldon_stand_in import NO_ENGINE, SELDON, definition, operator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.kubernetes import Kubernetes

Object = dict[str, Any]


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
    answer = live(kubernetes, model(python, seldon), tmp_path)
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
