"""What the role addons installs does what it is for: storage that outlives pods, an address, scaling on CPU."""

from __future__ import annotations

import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.probes import EVERY, PORT, Probes
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.kubernetes import Kubernetes, Object

CONNECTIONS = 200
LEAST_SHARE = 0.2

# Burns what it may of a processor as soon as it is told to.
BURN = """
import pathlib, time
while not pathlib.Path("/tmp/burn").exists():
    time.sleep(0.2)
while True:
    pass
"""
# Keeps what the first pod of all has written.
KEEP = """
import os, pathlib, time
kept = pathlib.Path("/data/first")
if not kept.exists():
    kept.write_text(os.environ["HOSTNAME"])
time.sleep(3600)
"""


@pytest.fixture(scope="module")
def image(kubernetes: Kubernetes) -> str:
    """An image with a Python."""
    return kubernetes.image("slipway.local/python-base")


def deployment(name: str, image: str, program: str, **pod: object) -> Object:
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", program],
        "resources": {"requests": {"cpu": "50m"}, "limits": {"cpu": "300m"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}] if "volumes" in pod else [],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **pod},
            },
        },
    }


@pytest.fixture(scope="module")
def burner(kubernetes: Kubernetes, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The namespace of an autoscaled Deployment; made first, for it takes a while until its load is known."""
    namespace = kubernetes.new_namespace()
    usage = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "burner"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "burner"},
            "maxReplicas": 3,
            "metrics": [{"type": "Resource", "resource": usage}],
        },
    }
    objects = [deployment("burner", image, BURN), autoscaler]
    path = tmp_path_factory.mktemp("burner") / "burner.json"
    kubernetes.apply(objects, into=path, namespace=namespace)
    yield namespace
    kubernetes.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.usefixtures("burner")
def test_storage_outlives_its_pod(kubernetes: Kubernetes, namespace: str, image: str, tmp_path: Path) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    objects = [claim, deployment("keeper", image, KEEP, volumes=volumes)]
    here = f"--namespace={namespace}"
    kubernetes.apply(objects, into=tmp_path / "keeper.json", namespace=namespace)

    def kept() -> tuple[str, str]:
        kubernetes.kubectl("rollout", "status", "deployment/keeper", here)
        [pod] = kubernetes.items("pods", here, "--field-selector=status.phase=Running")
        name = str(pod["metadata"]["name"])
        return name, kubernetes.kubectl("exec", name, here, "--", "cat", "/data/first")

    first = eventually(kept, within=30, what="the first pod has written")
    assert first[0] == first[1]
    kubernetes.kubectl("delete", "pod", first[0], here)
    second = eventually(kept, within=30, what="the second pod reads")
    assert second[0] != first[0]
    assert second[1] == first[1]


@pytest.mark.usefixtures("burner")
def test_address_spreads_connections_over_nodes(
    kubernetes: Kubernetes, namespace: str, image: str, tmp_path: Path
) -> None:
    probes = Probes(kubernetes, namespace, tuple(kubernetes.addresses))
    probes.start(image, manifest=tmp_path / "probes.json")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "front", "namespace": namespace},
        "spec": {"type": "LoadBalancer", "selector": EVERY, "ports": [{"port": 80, "targetPort": PORT}]},
    }
    kubernetes.apply([service], into=tmp_path / "front.json")

    def address() -> str:
        status = kubernetes.get("service", "front", f"--namespace={namespace}")["status"]
        return "".join(each["ip"] for each in status["loadBalancer"].get("ingress", []))

    url = f"http://{eventually(address, within=20, what='an address')}"

    def node(_: int) -> str:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode().partition(" ")[0])

    def answers() -> bool:
        try:
            return bool(node(0))
        except OSError as error:
            raise AssertionError(str(error)) from error

    eventually(answers, within=20, what=f"{url} answers")
    with ThreadPoolExecutor(10) as pool:
        shares = Counter(pool.map(node, range(CONNECTIONS)))
    assert set(shares) == set(kubernetes.addresses)
    assert min(shares.values()) >= LEAST_SHARE * CONNECTIONS, shares


def test_load_brings_more_pods(kubernetes: Kubernetes, burner: str) -> None:
    here = f"--namespace={burner}"

    def known() -> list[Object]:
        metrics: list[Object] = kubernetes.get("hpa", "burner", here)["status"].get("currentMetrics") or []
        return [
            each for each in metrics if each.get("resource", {}).get("current", {}).get("averageUtilization", -1) >= 0
        ]

    eventually(known, within=60, what="the load is known", every=0.5)
    kubernetes.kubectl("exec", "deployment/burner", here, "--", "touch", "/tmp/burn")
    eventually(lambda: replicas(kubernetes, here) > 1, within=60, what="more pods", every=0.5)


def replicas(kubernetes: Kubernetes, here: str) -> int:
    return int(kubernetes.get("deployment", "burner", here)["status"].get("readyReplicas", 0))
