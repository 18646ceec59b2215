"""A stand-in for the operator of Seldon 1.18: its definition, and a controller that does what was seen of the real one.

Run as `python -m tests.support.seldon_stand_in KUBECONFIG NAMESPACE ENGINE_IMAGE`, until it is killed.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import time
from typing import TYPE_CHECKING, Any

from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import (
    APPLY_PATCH,
    MERGE_PATCH,
    Client,
    Connection,
    connect,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import ConflictError, NotFoundError
from ansible_collections.slipway.cloud.plugins.module_utils.engine.reflector import Reflector, Selection
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT, SERVICE, Resource
from tests.support.paths import CHECKOUT
from tests.support.processes import beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Object = dict[str, Any]

GROUP = "machinelearning.seldon.io"
SELDON = Resource(f"{GROUP}/v1", "SeldonDeployment", "seldondeployments")
ID_LABEL, APP_LABEL = "seldon-deployment-id", "seldon-app"
NO_ENGINE = "seldon.io/no-engine"
SERVICE_PORT, GRAPH_PORT = 8000, 9000
LAG = 0.5  # the real one takes a moment too, and shows the status of before meanwhile
CONDITIONS = ("AmbassadorMappings", "Hpas", "Keda", "Pdbs", "Services", "VirtualServices")
STUCK = "Deployment is no longer progressing and not available"


def definition() -> Object:
    """The CustomResourceDefinition, with the scale subresource that only works once `.spec.replicas` is set."""
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    number = {"type": "integer", "format": "int32"}
    component = {"type": "object", "properties": {"metadata": free, "spec": free, "replicas": number}}
    predictor = {
        "name": {"type": "string"},
        "replicas": number,
        "annotations": texts,
        "labels": texts,
        "traffic": number,
        "graph": free,
        "componentSpecs": {"type": "array", "items": component},
    }
    spec = {
        "name": {"type": "string"},
        "protocol": {"type": "string"},
        "replicas": number,
        "annotations": texts,
        "predictors": {"type": "array", "items": {"type": "object", "properties": predictor}},
    }
    properties = {"spec": {"type": "object", "properties": spec}, "status": free}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
        },
    }
    names = {"kind": SELDON.kind, "plural": SELDON.plural, "singular": "seldondeployment", "shortNames": ["sdep"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{SELDON.plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def deployments_of(obj: Object, engine_image: str) -> list[Object]:
    """The Deployments that a SeldonDeployment is to have, one for each component of each predictor."""
    return [
        _deployment(obj, predictor, index, component, engine_image)
        for predictor in obj["spec"].get("predictors") or []
        for index, component in enumerate(predictor.get("componentSpecs") or [])
    ]


def services_of(obj: Object) -> list[Object]:
    """The Service of each predictor."""
    return [
        {
            "apiVersion": SERVICE.api_version,
            "kind": SERVICE.kind,
            "metadata": _metadata(obj, _app(obj, predictor)),
            "spec": {
                "selector": {APP_LABEL: _app(obj, predictor)},
                "ports": [{"name": "http", "port": SERVICE_PORT, "targetPort": _port(predictor)}],
            },
        }
        for predictor in obj["spec"].get("predictors") or []
    ]


def status_of(wanted: list[Object], found: dict[str, Object]) -> Object:
    """The status that the operator writes, from its Deployments as they are. It tells of no generation."""
    children = {each["metadata"]["name"]: found.get(each["metadata"]["name"], {}) for each in wanted}
    counts = {
        name: {key: child.get("status", {}).get(key, 0) for key in ("replicas", "availableReplicas")}
        for name, child in children.items()
    }
    available = bool(counts) and all(
        counts[name]["availableReplicas"] >= child.get("spec", {}).get("replicas", 1)
        for name, child in children.items()
    )
    stuck = any(_condition(child, "Progressing") == "False" for child in children.values())
    state = "Available" if available else "Failed" if stuck else "Creating"
    ready = {**dict.fromkeys(CONDITIONS, True), "Deployments": available}
    return {
        "state": state,
        "description": STUCK if state == "Failed" else "",
        "replicas": sum(each["replicas"] for each in counts.values()),
        "deploymentStatus": counts,
        "conditions": [{"type": f"{kind}Ready", "status": str(is_so)} for kind, is_so in sorted(ready.items())],
    }


def _deployment(obj: Object, predictor: Object, index: int, component: Object, engine_image: str) -> Object:
    containers = [_probed(each, _port(predictor)) for each in component["spec"]["containers"]]
    name = "-".join((_app(obj, predictor), str(index), *(each["name"] for each in containers)))
    if not _has_no_engine(obj):
        containers.append({"name": "seldon-container-engine", "image": engine_image})
    # The number of a component counts before that of its predictor, and that before the one of the whole.
    numbers = [each.get("replicas") for each in (component, predictor, obj["spec"])]
    annotations = {
        **(obj["spec"].get("annotations") or {}),
        **(predictor.get("annotations") or {}),
        **(component.get("metadata", {}).get("annotations") or {}),
    }
    own = {APP_LABEL: _app(obj, predictor), ID_LABEL: obj["metadata"]["name"], "app": name}
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": _metadata(obj, name),
        "spec": {
            "replicas": next((number for number in numbers if number is not None), 1),
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": own, "annotations": annotations},
                "spec": {**component["spec"], "containers": containers},
            },
        },
    }


def _metadata(obj: Object, name: str) -> Object:
    owner = {
        "apiVersion": SELDON.api_version,
        "kind": SELDON.kind,
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    labels = {ID_LABEL: obj["metadata"]["name"]}
    return {"name": name, "namespace": obj["metadata"]["namespace"], "labels": labels, "ownerReferences": [owner]}


def _app(obj: Object, predictor: Object) -> str:
    return f"{obj['metadata']['name']}-{predictor['name']}"


def _port(predictor: Object) -> int:
    return int(predictor.get("graph", {}).get("endpoint", {}).get("service_port", GRAPH_PORT))


def _probed(container: Object, port: int) -> Object:
    probe = {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1}
    return {"readinessProbe": probe, "livenessProbe": {**probe, "periodSeconds": 10}, **container}


def _has_no_engine(obj: Object) -> bool:
    places = (obj["metadata"], obj["spec"])
    return any((place.get("annotations") or {}).get(NO_ENGINE) == "true" for place in places)


def _condition(obj: Object, kind: str) -> str:
    conditions = obj.get("status", {}).get("conditions") or []
    return next((str(each["status"]) for each in conditions if each["type"] == kind), "")


class Operator:
    """Keeps the children and the status of every SeldonDeployment of a namespace as they are to be."""

    def __init__(self, client: Client, engine_image: str) -> None:
        self._client = client
        self._engine_image = engine_image
        self._changes: queue.Queue[object] = queue.Queue()
        self._streams = {
            resource: Reflector(
                client,
                Selection(resource, client.namespace),
                report=lambda _stream, _changes: self._changes.put(None),
                give_up=self._changes.put,
                warn=lambda _stream, message: print(message, file=sys.stderr),
            )
            for resource in (SELDON, DEPLOYMENT)
        }

    def run(self) -> None:
        """Reconcile after every change, until a stream cannot go on."""
        for stream in self._streams.values():
            stream.start()
        while True:
            error = self._changes.get()
            if isinstance(error, Exception):
                raise error
            time.sleep(LAG)
            with self._changes.mutex:
                self._changes.queue.clear()
            if all(stream.synced for stream in self._streams.values()):
                for obj in list(self._streams[SELDON].store.objects.values()):
                    with contextlib.suppress(
                        NotFoundError, ConflictError
                    ):  # it is gone, or another: the next change tells
                        self._reconcile(obj)

    def _reconcile(self, obj: Object) -> None:
        if obj["metadata"].get("deletionTimestamp"):
            return  # its children go by their owner references
        wanted = deployments_of(obj, self._engine_image)
        found = {name: each for (_, name), each in self._streams[DEPLOYMENT].store.objects.items()}
        for resource, children in ((DEPLOYMENT, wanted), (SERVICE, services_of(obj))):
            for child in children:
                self._apply(resource, child)
        status = status_of(wanted, found)
        if status != obj.get("status"):
            path = f"{SELDON.path(obj['metadata']['namespace'], obj['metadata']['name'])}/status"
            body = {"metadata": {"uid": obj["metadata"]["uid"]}, "status": status}
            self._client.request("PATCH", path, body=body, content_type=MERGE_PATCH, action="write the status")

    def _apply(self, resource: Resource, child: Object) -> None:
        path = resource.path(child["metadata"]["namespace"], child["metadata"]["name"])
        query = {"fieldManager": "seldon-stand-in", "force": "true"}
        self._client.request("PATCH", path, query, body=child, content_type=APPLY_PATCH, action="apply a child")


@contextlib.contextmanager
def operator(kubeconfig: Path, namespace: str, *, engine_image: str, log: Path) -> Iterator[None]:
    """Run the operator for a namespace, as a process of its own that does not outlive this one."""
    arguments = [str(kubeconfig), namespace, engine_image]
    command = [sys.executable, "-m", "tests.support.seldon_stand_in", *arguments]
    with beside(command, log=log, env={"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'collections'}"}):
        yield


if __name__ == "__main__":
    with connect(Connection(kubeconfig=sys.argv[1], namespace=sys.argv[2])) as connected:
        Operator(connected, sys.argv[3]).run()
