"""Seed 003's case on the VMs of `make up`, with a Rollout that the real controller of Argo Rollouts looks after."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.ansible import playbook
from tests.support.api_server import free_ports
from tests.support.kubernetes import Kubernetes, succeed
from tests.support.paths import BUNDLE_BIN, BUNDLE_MANIFESTS
from tests.support.processes import beside
from tests.support.seed_case import live

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "Drill argo: 1 -> 2 replicas of an Argo Rollout confirmed by the pods, then gone; by lifecycle.yml"
RUNS = 5
DEFINITIONS = BUNDLE_MANIFESTS / "argo-rollouts"
BUILD_TIMEOUT = 1800.0  # seconds that a build of the controller from empty caches may take


def steps() -> dict[str, Callable[[], str]]:
    """The controller first, then one step for each run."""
    return {"controller": built} | {f"{number} of {RUNS}": lived for number in range(1, RUNS + 1)}


def built() -> str:
    """Have the controller in the bundle."""
    answer = succeed(playbook("bundle", {"bundle_tags": ["drills"]}, timeout=BUILD_TIMEOUT))
    return f"built in {answer.seconds:.0f} s"


def lived() -> str:
    """Run the case."""
    files = [f"--filename={each}" for each in sorted(DEFINITIONS.glob("*-crd.yaml"))]
    assert files, f"{DEFINITIONS} holds no definitions"
    kubernetes = Kubernetes()
    namespace = kubernetes.new_namespace()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        try:
            kubernetes.kubectl("apply", "--server-side", *files)
            kubernetes.kubectl("wait", "--for=condition=Established", "--timeout=20s", *files)
            with beside(controller(kubernetes, namespace), log=home / "controller.log"):
                answer = live(kubernetes, rollout(kubernetes.image("registry.k8s.io/pause"), namespace), home)
        finally:
            kubernetes.kubectl("delete", "namespace", namespace, "--wait=false")
            kubernetes.kubectl("delete", "--ignore-not-found", *files)
    return f"lifecycle.yml took {answer.seconds:.1f} s"


def controller(kubernetes: Kubernetes, namespace: str) -> list[str]:
    """The command that runs it for a namespace."""
    ports = (f"--{kind}Port={port}" for kind, port in zip(("metrics", "healthz"), free_ports(2), strict=True))
    where = (f"--kubeconfig={kubernetes.kubeconfig}", f"--namespace={namespace}", "--namespaced")
    return [str(BUNDLE_BIN / "rollouts-controller"), *where, *ports, "--leader-elect=false"]


def rollout(image: str, namespace: str) -> dict[str, Any]:
    """A Rollout of one replica."""
    labels = {"app": "model"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "model", "namespace": namespace},
        "spec": {
            "replicas": 1,
            "strategy": {"canary": {}},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}},
        },
    }
