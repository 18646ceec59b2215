"""Why clusters do not come up or go away: every cause provoked for real, and no false alarm where nothing is wrong."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine import client, lifecycle
from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import explain
from tests.support.api_load import api_load
from tests.support.causes import Places, Said, container, deployment, fast_rows, places, provoke, rows, said, wrong
from tests.support.rollouts import BUSY, roll_out
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.support.kubernetes import Kubernetes

GHOST = "ghost"
TIMEOUT = 60.0


@pytest.fixture(scope="module")
def trouble(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Namespaces and a registry in which things go wrong."""
    with places(kubernetes, tmp_path_factory.mktemp("registry")) as trouble:
        yield trouble


@pytest.fixture(scope="module", autouse=True)
def answers(kubernetes: Kubernetes, trouble: Places) -> Iterator[Future[dict[str, Said]]]:
    """What is said of every cause: it takes the minute in which the other tests run."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(provoke, kubernetes, trouble, rows(trouble), timeout=TIMEOUT)


@pytest.fixture
def ghost(kubernetes: Kubernetes) -> Iterator[str]:
    """A node without a kubelet, which no DaemonSet wants."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": GHOST}}
    condition = {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "there is no kubelet"}
    with client.connect(client.Connection(kubeconfig=str(kubernetes.kubeconfig))) as connected:
        path = "/api/v1/nodes"
        connected.request("POST", path, body=node, action="create the node")
        status = {"status": {"conditions": [condition]}}
        patch = "application/merge-patch+json"
        connected.request("PATCH", f"{path}/{GHOST}/status", body=status, content_type=patch, action="say how it is")
        yield GHOST
        connected.request("DELETE", f"{path}/{GHOST}", action="delete the node")


def test_node_that_is_lost(kubernetes: Kubernetes, namespace: str, pause: str, ghost: str) -> None:
    pod = {**container(pause), "nodeName": ghost, "terminationGracePeriodSeconds": 1}
    cluster = deployment("demo", namespace, pod)
    answer = said(kubernetes, [cluster], timeout=25)["demo"]
    assert answer.cause
    assert (answer.cause.code, "node ghost is not ready" in answer.text) == ("node_not_ready", True), answer.text
    with client.connect(client.Connection(kubeconfig=str(kubernetes.kubeconfig))) as connected:
        [result] = lifecycle.ensure_absent(connected, [cluster], lifecycle.Options(timeout=5))
    assert result.cause
    assert result.cause.code == "pod_stuck_terminating"
    assert "node ghost is not ready" in explain(result.cause)


def test_finalizer_that_nobody_removes(kubernetes: Kubernetes, namespace: str, pause: str) -> None:
    cluster = deployment("demo", namespace, container(pause))
    cluster["metadata"]["finalizers"] = ["example.org/hold"]
    assert said(kubernetes, [cluster], timeout=30)["demo"].cause is None
    with client.connect(client.Connection(kubeconfig=str(kubernetes.kubeconfig))) as connected:
        [result] = lifecycle.ensure_absent(connected, [cluster], lifecycle.Options(timeout=5))
    kubernetes.kubectl(
        "patch",
        "deployment",
        "demo",
        f"--namespace={namespace}",
        "--type=merge",
        '--patch={"metadata": {"finalizers": null}}',
    )
    assert result.cause
    assert (result.cause.code, "example.org/hold" in result.cause.summary) == ("finalizer", True)


def test_cluster_that_somebody_else_deletes(kubernetes: Kubernetes, namespace: str, pause: str) -> None:
    pod = container(pause, readinessProbe={"exec": {"command": ["/never"]}})
    where = f"--namespace={namespace}"
    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(said, kubernetes, [deployment("demo", namespace, pod)], timeout=30)
        eventually(lambda: kubernetes.items("pods", where), within=20, what="a pod")
        kubernetes.kubectl("delete", "deployment", "demo", where)
    cause = wait.result()["demo"].cause
    assert cause
    assert cause.code == "deleted_by_other"


def test_cause_that_goes_away_in_time_is_no_failure(kubernetes: Kubernetes, namespace: str, pause: str) -> None:
    pod = container(pause, envFrom=[{"configMapRef": {"name": "conf"}}])
    where = f"--namespace={namespace}"

    def waits_for_it() -> bool:
        return "CreateContainerConfigError" in json.dumps(kubernetes.items("pods", where))

    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(said, kubernetes, [deployment("demo", namespace, pod)], timeout=60)
        eventually(waits_for_it, within=20, what="the error")
        kubernetes.kubectl("create", "configmap", "conf", "--from-literal=a=b", where)
    answer = wait.result()["demo"]
    assert answer.cause is None, answer.text


def test_every_cause_is_told(trouble: Places, answers: Future[dict[str, Said]]) -> None:
    said = answers.result()
    assert [fault for row in rows(trouble) if (fault := wrong(row, said[row.name]))] == []


def test_fast_ones_are_told_soon_again(kubernetes: Kubernetes, trouble: Places) -> None:
    again = [row.named(f"{row.name}-again") for row in fast_rows(trouble)]
    said = provoke(kubernetes, trouble, again, timeout=TIMEOUT)
    assert [fault for row in again if (fault := wrong(row, said[row.name]))] == []


def test_no_false_alarm_while_the_api_server_is_busy(kubernetes: Kubernetes, namespace: str, pause: str) -> None:
    with api_load(kubernetes) as load:
        assert roll_out(kubernetes, namespace, pause) == []
        assert load.cores >= BUSY
