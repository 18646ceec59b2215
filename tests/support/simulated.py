"""A Kubernetes of any number of nodes on loopback: the bundle's control plane, and kwok in place of the kubelets.

A pod with the label `held` stays as it is, not started or not gone, until the label is taken away.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.support.api_server import ApiServer
from tests.support.waiting import eventually

CONTROLLERS = ("deployment-controller", "replicaset-controller", "garbage-collector-controller", "namespace-controller")
# What limits them otherwise is what they are allowed to ask, and that is not what is measured here.
UNLIMITED = ("--kube-api-qps=2000", "--kube-api-burst=4000")
QUIET = ("--leader-elect=false", "--secure-port=0")
AT_ONCE = 8
HELD = "held"

NODE_STATUS = """
addresses: [{address: 127.0.0.1, type: InternalIP}]
allocatable: {cpu: 100, memory: 100Gi, pods: 110}
capacity: {cpu: 100, memory: 100Gi, pods: 110}
conditions:
- {type: Ready, status: "True", reason: KubeletReady, lastTransitionTime: {{ Now | Quote }}}
"""
POD_STATUS = """
{{ $now := Now | Quote }}
phase: Running
startTime: {{ $now }}
podIP: 10.0.0.1
conditions:
{{ range list "Initialized" "Ready" "ContainersReady" }}
- {type: {{ . }}, status: "True", lastTransitionTime: {{ $now }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  restartCount: 0
  state: {running: {startedAt: {{ $now }}}}
{{ end }}
"""


def _stage(kind: str, deleted: str, until: str, then: Any) -> dict[str, Any]:
    """What kwok does with an object of a kind once, as it stands or is to go, as long as it has no field `until`."""
    unless = (until, f".metadata.labels.{HELD}")
    expressions = [(".metadata.deletionTimestamp", deleted), *((field, "DoesNotExist") for field in unless)]
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": f"{kind.lower()}-{deleted.lower()}"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": [{"key": key, "operator": operator} for key, operator in expressions]},
            "next": then,
        },
    }


STAGES = (
    _stage("Node", "DoesNotExist", ".status.addresses", {"statusTemplate": NODE_STATUS}),
    _stage("Pod", "DoesNotExist", ".status.podIP", {"statusTemplate": POD_STATUS}),
    _stage("Pod", "Exists", ".status.never", {"delete": True}),
)


@dataclass
class SimulatedKubernetes(ApiServer):
    """A whole control plane as child processes that cannot outlive this one."""

    nodes: int = 10
    controllers: tuple[str, ...] = CONTROLLERS

    def start(self) -> None:
        """Start everything and wait until every node is ready."""
        super().start()
        login = f"--kubeconfig={self.kubeconfig(self.home / 'kubeconfig')}"
        self._run("kube-controller-manager", login, f"--controllers={','.join(self.controllers)}", *QUIET, *UNLIMITED)
        self._run("kube-scheduler", login, *QUIET, *UNLIMITED)
        (self.home / "kwok.yaml").write_text("\n---\n".join(map(json.dumps, STAGES)))
        config = f"--config={self.home / 'kwok.yaml'}"
        self._run("kwok", login, config, "--manage-all-nodes", "--node-lease-duration-seconds=0")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(partial(self.request, "POST", "/api/v1/nodes"), map(_node, range(self.nodes))))
        eventually(self._nodes_are_ready, within=120, what=f"{self.nodes} nodes ready", every=0.5)

    def _api_flags(self) -> list[str]:
        # Nobody here would take away the taint of a node that is not ready yet.
        admission = "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition"
        return [flag for flag in super()._api_flags() if not flag.startswith("--disable-admission")] + [admission]

    def _nodes_are_ready(self) -> bool:
        for program, process in self._processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{program} ended: {self._tail(program)}")
        nodes = self.request("GET", "/api/v1/nodes")["items"]
        return sum(map(_is_ready, nodes)) == self.nodes


def _node(number: int) -> dict[str, Any]:
    return {"metadata": {"name": f"node-{number}"}}


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
