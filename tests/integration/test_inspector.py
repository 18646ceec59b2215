"""What is read when something is wrong: from a real API server, by whoever may and whoever may not."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine import client
from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Ask, Evidence
from ansible_collections.slipway.cloud.plugins.module_utils.engine.inspector import Inspector
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import Target
from tests.support.api_server import ADMIN, MERGE_PATCH, POWERLESS, ApiServer
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


def asks(namespace: str) -> set[Ask]:
    return {
        Ask("events", namespace),
        Ask("nodes"),
        Ask("pods", name="node1"),
        Ask("class", name="fast"),
        Ask("class", name="slow"),
        Ask("configmap", namespace, "here"),
        Ask("configmap", namespace, "nowhere"),
        Ask("log", namespace, "nothing", "main"),
    }


def prepare(api: ApiServer, namespace: str) -> None:
    """Have something to be found, if it is not there yet."""
    about = {"kind": "Deployment", "namespace": namespace, "name": "demo", "uid": "d"}
    for kind in ("Warning", "Normal"):
        event = {"metadata": {"name": kind.lower()}, "involvedObject": about, "type": kind, "reason": kind}
        api.request("POST", f"/api/v1/namespaces/{namespace}/events", event)
    api.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "here"}})
    api.request("POST", "/api/v1/nodes", {"metadata": {"name": f"{namespace}-node"}})
    storage = {"metadata": {"name": "fast"}, "provisioner": "example.org/none"}
    if not any(each["metadata"]["name"] == "fast" for each in classes(api)):
        api.request("POST", "/apis/storage.k8s.io/v1/storageclasses", storage)


def classes(api: ApiServer) -> list[dict[str, dict[str, str]]]:
    found: list[dict[str, dict[str, str]]] = api.request("GET", "/apis/storage.k8s.io/v1/storageclasses")["items"]
    return found


@pytest.mark.parametrize(("token", "allowed"), [(ADMIN, True), (POWERLESS, False)], ids=["admin", "powerless"])
def test_every_ask_is_answered(api: ApiServer, namespace: str, tmp_path: Path, token: str, allowed: bool) -> None:
    prepare(api, namespace)
    kubeconfig = api.kubeconfig(tmp_path / "kubeconfig", token=token)
    threads = set(threading.enumerate())
    with client.connect(client.Connection(kubeconfig=str(kubeconfig))) as connected:
        inspector = Inspector(connected, learned=lambda: None)
        target = Target(DEPLOYMENT, namespace, "demo", uid="d")

        def evidence() -> Evidence:
            return inspector.evidence(target, [], {})

        assert evidence() == Evidence()
        inspector.ask(asks(namespace))
        eventually(lambda: evidence().answered == asks(namespace), within=10, what="every answer")
        found = evidence()
        inspector.close()
    assert set(threading.enumerate()) <= threads  # those of other tests may end meanwhile
    assert [each["reason"] for each in found.events] == (["Warning"] if allowed else [])
    assert (f"{namespace}-node" in [each["metadata"]["name"] for each in found.nodes]) is allowed
    assert found.used == ({"node1": {"pods": 0}} if allowed else {})
    assert [name for name, obj in found.classes.items() if obj] == (["fast"] if allowed else [])
    assert {ask.name: there for ask, there in found.exists.items()} == (
        {"here": True, "nowhere": False} if allowed else {}
    )
    assert found.logs == {}


def test_heartbeats_of_nodes_are_no_news(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    prepare(api, namespace)
    path, announced = f"/api/v1/nodes/{namespace}-node", []
    target = Target(DEPLOYMENT, namespace, "demo")
    with client.connect(client.Connection(kubeconfig=str(kubeconfig))) as connected:
        inspector = Inspector(connected, learned=lambda: announced.append(time.monotonic()))

        def shown() -> str:
            nodes = inspector.evidence(target, [], {}).nodes
            return next(json.dumps(each) for each in nodes if each["metadata"]["name"] == f"{namespace}-node")

        inspector.ask({Ask("nodes")})
        eventually(lambda: announced and shown(), within=10, what="the node")
        before = len(announced)
        for status in ("False", "True"):
            for second in range(3):
                beat = {"type": "Ready", "status": status, "lastHeartbeatTime": f"2026-01-01T00:00:0{second}Z"}
                body = {"status": {"conditions": [beat]}}
                api.request("PATCH", f"{path}/status", body, content_type=MERGE_PATCH)
            eventually(lambda: beat["lastHeartbeatTime"] in shown(), within=10, what="the last heartbeat")  # noqa: B023
        inspector.close()
    assert len(announced) - before == 2


def test_what_comes_later_is_announced(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    learned = threading.Event()
    with client.connect(client.Connection(kubeconfig=str(kubeconfig))) as connected:
        inspector = Inspector(connected, learned=learned.set)
        inspector.ask({Ask("events", namespace)})
        assert learned.wait(10)
        learned.clear()
        prepare(api, namespace)
        assert learned.wait(10)
        inspector.close()
