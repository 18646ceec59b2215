"""The independent watch of the live tests, before a real API server: at once, and again where it was cut."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.support.api_server import MERGE_PATCH
from tests.support.listing import Endpoint, Watcher
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

POD = Endpoint("10.1.0.1", "pod-1", "node1")
AT_ONCE = 1.0


def piece(*, ready: bool) -> dict[str, Any]:
    target = {"kind": "Pod", "name": POD.pod}
    endpoint = {"addresses": [POD.ip], "conditions": {"ready": ready}, "nodeName": POD.node, "targetRef": target}
    meta = {"name": "pool-1", "labels": {"kubernetes.io/service-name": "pool"}}
    return {"metadata": meta, "addressType": "IPv4", "endpoints": [endpoint]}


def test_watcher_sees_who_is_ready(api: ApiServer, namespace: str, tmp_path: Path) -> None:
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    api.request("POST", slices, piece(ready=False))
    with Watcher(api.kubeconfig(tmp_path / "kubeconfig"), namespace, "pool") as watcher:
        eventually(lambda: watcher.states, within=20, what="the first state")
        assert watcher.now == frozenset()
        before = time.monotonic()
        api.request("PATCH", f"{slices}/pool-1", piece(ready=True), content_type=MERGE_PATCH)
        eventually(lambda: watcher.now, within=5, what="it is ready")
        assert watcher.now == {POD}
        assert watcher.states[-1].at - before <= AT_ONCE
        assert watcher._process
        watcher._process.kill()
        api.request("PATCH", f"{slices}/pool-1", piece(ready=False), content_type=MERGE_PATCH)
        eventually(lambda: not watcher.now, within=10, what="the watch was begun anew")
        revisions = [state.revision for state in watcher.states]
        assert revisions == sorted(revisions)
