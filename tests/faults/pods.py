"""The writers in pods, as objects of Kubernetes, and who writes what. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.faults.writer import Client, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "redis-faults"
LABELS = {"app.kubernetes.io/name": NAME}
RATE = 250.0  # acknowledged writes a second of the client that the promises are about
BESIDE = 40.0  # and of each other
ALONE = 350.0  # of the only client that lives on, some of whose writers hang while nodes go

Object = dict[str, Any]


def usual(site_plain: str) -> tuple[Client, ...]:
    """The clients in the pod that no fault is done to."""
    return (
        Client("aware", "sentinel", writers=12, rate=RATE),
        Client("plain", "address", (site_plain,), writers=4, rate=BESIDE),
        Client("unsure", "sentinel", writers=2, rate=BESIDE / 2, wait=0),
        Client("early", "sentinel", writers=2, rate=BESIDE / 2, wait=0, early=True),
    )


def within(site_plain: str) -> tuple[Client, ...]:
    """The clients beside the master, which are cut off with it."""
    return (
        Client("inside", "sentinel", writers=4, rate=BESIDE),
        Client("inside-plain", "address", (site_plain,), writers=4, rate=BESIDE),
    )


def pinned(pod: str, address: str) -> Client:
    """One that writes to this copy alone, to see when it takes writes."""
    return Client(f"at-{pod}", "address", (address,), writers=1, rate=BESIDE / 2, wait=0)


def balanced(address: str, *, alone: bool) -> Client:
    """Who writes through the load balancer; ``alone``: nobody else does."""
    writers, rate = (16, ALONE) if alone else (8, BESIDE)
    return Client("counter", "counter", (address,), writers=writers, rate=rate)


def document(plan: Plan) -> str:
    """A plan as the writers read it."""
    return json.dumps(asdict(plan))


def objects(namespace: str, template: Mapping[str, Any], plans: Mapping[str, Plan], program: str) -> list[Object]:
    """A pod for each node's plan, by the image of the data pods, and what is mounted into them."""
    files = {f"{node}.json": document(plan) for node, plan in plans.items()}
    everything = Plan(
        next(iter(plans.values())).run,
        next(iter(plans.values())).master_name,
        next(iter(plans.values())).sentinels,
        tuple(client for plan in plans.values() for client in plan.clients),
    )
    mounted = {"writer.py": program, "all.json": document(everything), **files}
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": namespace, "labels": LABELS},
        "data": mounted,
    }
    return [config, *(_pod(namespace, template, node) for node in plans)]


def pod_name(node: str) -> str:
    """The pod of a node."""
    return f"{NAME}-{node}"


def _pod(namespace: str, template: Mapping[str, Any], node: str) -> Object:
    [container] = template["containers"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod_name(node), "namespace": namespace, "labels": LABELS},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "imagePullSecrets": template.get("imagePullSecrets", []),
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "writers",
                    "image": container["image"],
                    "imagePullPolicy": container["imagePullPolicy"],
                    "command": [*_command("write", f"/faults/{node}.json"), "/journal", "--stay"],
                    "resources": {"requests": {"cpu": "250m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "program", "mountPath": "/faults", "readOnly": True},
                        {"name": "secret", "mountPath": "/etc/faults/redis", "readOnly": True},
                        {"name": "journal", "mountPath": "/journal"},
                    ],
                }
            ],
            "volumes": [
                {"name": "program", "configMap": {"name": NAME}},
                {"name": "secret", "secret": {"secretName": "redis"}},
                {"name": "journal", "emptyDir": {}},
            ],
        },
    }


def _command(what: str, plan: str) -> Sequence[str]:
    return ["python3", "/faults/writer.py", what, plan]


STORED = (*_command("stored", "/faults/all.json"), "--delete")
