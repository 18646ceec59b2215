"""The worker of the site on the real Kubernetes: as fast as kubectl, with few rights, by its names, under kills."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.bench.contenders import Site
from tests.support.ansible import run
from tests.support.causes import SOON, container, registry
from tests.support.kubernetes import succeed
from tests.support.paths import VENV_BIN
from tests.support.waiting import eventually
from tests.support.worker_live import (
    CLUSTERS,
    SELECTOR,
    WORKERS,
    driver,
    killed_at_random,
    logfmt,
    played,
    ready,
    scenarios,
)

if TYPE_CHECKING:
    from tests.support.kubernetes import Kubernetes, Object

SECONDS_OF_KILLS = 60.0
SOON_AFTER = 3.0
DOMAIN = "cluster.local"
HERE = f"--namespace={WORKERS}"
SNAPSHOT = Path(__file__).parent / "snapshots" / "worker_rights.txt"
NAMES = ("worker.{0}.svc.{1}", "worker.{0}.svc", "worker.worker.{0}.svc.{1}")
RESOLVE = """
import json, socket, sys
print(json.dumps({name: sorted({row[4][0] for row in socket.getaddrinfo(name, 50051)}) for name in sys.argv[1:]}))
"""


@pytest.fixture(autouse=True)
def both_ready(kubernetes: Kubernetes) -> None:
    """Both workers are ready before each test."""
    eventually(lambda: len(ready(kubernetes)) == 2, within=120, what="two workers ready", every=0.5)


def test_scenario_is_as_fast_as_kubectl(kubernetes: Kubernetes, namespace: str, pause: str, tmp_path: Path) -> None:
    times = scenarios(Site(kubernetes, namespace, pause, tmp_path), rounds=2)
    print(times)
    # Looser than in the drill: two rounds on a machine that runs the pods as well tell no more.
    assert times.too_slow(1.5) == []


def test_job_tells_the_four_lines(kubernetes: Kubernetes) -> None:
    ad_hoc = [str(VENV_BIN / "ansible"), "localhost", "-i", "inventories/testbed", "-m", "include_role"]
    variables = {"vm_set": kubernetes.vm_set, "worker_scenario_replicas": 2}
    command = [*ad_hoc, "-a", "name=worker tasks_from=scenario", f"--extra-vars={json.dumps(variables)}"]
    succeed(run(command, env={"KUBECONFIG": str(kubernetes.kubeconfig)}, timeout=120))
    assert set(played(kubernetes.kubectl("logs", "job/driver", HERE))) == {"Created cluster", "Deleted cluster"}


def test_driver_that_began_before_any_worker_goes_on_soon(kubernetes: Kubernetes, tmp_path: Path) -> None:
    image = kubernetes.get("deployment", "worker", HERE)["spec"]["template"]["spec"]["containers"][0]["image"]
    kubernetes.kubectl("scale", "deployment/worker", "--replicas=0", HERE)
    try:
        eventually(lambda: not kubernetes.items("pods", HERE, f"--selector={SELECTOR}"), within=60, what="no worker")
        kubernetes.apply([early(image)], into=tmp_path / "early.json")
        running = "{.status.containerStatuses[0].state.running}"
        started = f"--for=jsonpath={running}"
        eventually(lambda: kubernetes.items("pods", HERE, "--selector=job-name=early"), within=20, what="its pod")
        kubernetes.kubectl("wait", "pod", "--selector=job-name=early", started, "--timeout=30s", HERE)
    finally:
        kubernetes.kubectl("scale", "deployment/worker", "--replicas=2", HERE)
    try:
        kubernetes.kubectl("wait", "job/early", "--for=condition=Complete", "--timeout=90s", HERE, timeout=100)
        log = kubernetes.kubectl("logs", "job/early", HERE)
    finally:
        kubernetes.kubectl("delete", "job", "early", HERE)
    assert set(played(log)) == {"Created cluster", "Deleted cluster"}
    began = datetime.fromisoformat(logfmt(log)[0]["time"])
    waited = (began - min(map(ready_since, ready(kubernetes)))).total_seconds()
    assert 0 <= waited <= SOON_AFTER + 1  # Kubernetes tells the second alone


def ready_since(pod: Object) -> datetime:
    """When a pod became ready."""
    [since] = [each["lastTransitionTime"] for each in pod["status"]["conditions"] if each["type"] == "Ready"]
    return datetime.fromisoformat(since)


def early(image: str) -> Object:
    """The Job of the scenario, for few pods."""
    container = {
        "name": "driver",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "slipwayctl", "scenario", "--name=early", "--replicas=2"],
        "env": [{"name": "SLIPWAY_ADDRESS", "value": f"worker.{WORKERS}.svc.{DOMAIN}:50051"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "tls", "mountPath": "/etc/slipway/tls", "readOnly": True}],
    }
    user = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {**user, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tls", "secret": {"secretName": "worker-client", "defaultMode": 0o440}}],
    }
    meta = {"name": "early", "namespace": WORKERS}
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


@pytest.fixture
def asking(kubernetes: Kubernetes, namespace: str, tmp_path: Path) -> list[str]:
    """The arguments of kubectl that run a program in a pod which is no worker: to itself, a worker's own names lead."""
    command = ["python3", "-c", "import time; time.sleep(600)"]
    pod = container(kubernetes.image("slipway.local/python-base"), command=command)
    meta = {"name": "asking", "namespace": namespace}
    kubernetes.apply([{"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod}], into=tmp_path / "pod.json")
    here = f"--namespace={namespace}"
    kubernetes.kubectl("wait", "pod/asking", "--for=condition=Ready", "--timeout=30s", here)
    return ["exec", "asking", here, "--", "python3", "-c"]


def test_names_are_those_of_all_workers(kubernetes: Kubernetes, asking: list[str]) -> None:
    names = [name.format(WORKERS, DOMAIN) for name in NAMES]

    def resolved() -> bool:
        found = json.loads(kubernetes.kubectl(*asking, RESOLVE, *names, timeout=20).splitlines()[-1])
        addresses = sorted(pod["status"]["podIP"] for pod in ready(kubernetes))
        assert found == dict.fromkeys(names, addresses)
        return True

    eventually(resolved, within=30, what="all names lead to all workers", every=0.5)


def rights(text: str) -> list[str]:
    """The rows of `kubectl auth can-i --list` in an order, less their padding; comments are left out."""
    rows = [" ".join(line.split()) for line in text.splitlines() if not line.startswith("#")]
    return sorted(row for row in rows if row and not row.startswith("Resources "))


def test_rights_are_those_of_the_snapshot(kubernetes: Kubernetes) -> None:
    who = f"--as=system:serviceaccount:{WORKERS}:worker"
    told = rights(kubernetes.kubectl("auth", "can-i", "--list", who, f"--namespace={CLUSTERS}"))
    assert told == rights(SNAPSHOT.read_text())
    assert not [row for row in told if "*" in row.split("[")[0] or "[*]" in row]


@pytest.mark.parametrize(
    ("image", "code"),
    [("{registry}/demo:404", "image_pull_failed"), ("Not/An:Image:Name", "image_not_found")],
    ids=["denied", "no name"],
)
def test_bad_image_is_told_soon(kubernetes: Kubernetes, tmp_path: Path, image: str, code: str) -> None:
    with registry(kubernetes, tmp_path) as address:
        began = time.monotonic()
        options = ("--replicas=1", f"--image={image.format(registry=address)}", "--output=json")
        answer = driver(kubernetes, "create", "bad-image", *options, timeout=60)
    assert (answer.code, time.monotonic() - began < SOON) == (1, True), answer.output
    assert code in answer.output
    assert kubernetes.kubectl("get", "deployment", "bad-image", f"--namespace={CLUSTERS}", "--ignore-not-found") == ""


def test_workers_killed_at_random(kubernetes: Kubernetes, tmp_path: Path, seed: int) -> None:
    print(killed_at_random(kubernetes, tmp_path, seconds=SECONDS_OF_KILLS, seed=seed))
