"""What callers ask for as what Kubernetes keeps, and back. Pure.

A cluster is the Deployment that the engine makes of it. Beside the engine's labels it carries, in annotations, what
tells one request from another: so the worker itself need not remember anything.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass
from datetime import datetime

from slipway.v1 import clusters_pb2 as pb

from ansible_collections.slipway.cloud.plugins.module_utils.engine.apply import is_ours
from ansible_collections.slipway.cloud.plugins.module_utils.engine.cluster import (
    Cluster,
    deployment,
    field_problems,
    name_problems,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import INSTANCE, MANAGED_BY, NAME, Object

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Cause

    from .settings import Settings

REQUEST_ID = "slipway.dev/request-id"
SPEC_HASH = "slipway.dev/spec-sha256"
OWNER = "slipway.dev/owner"

MOST_BYTES = 256 << 10  # of a spec: etcd takes objects of 1.5 MB, and this one comes back in every change of it
LONGEST_ID = 128
MOST_PER_PAGE, USUAL_PER_PAGE = 500, 100

_OF_SPEC = {"image", "replicas", "labels", "env", "resources"}
_SET_BY_US = (NAME, INSTANCE, MANAGED_BY)
_PRINTABLE = range(0x20, 0x7F)

Violation = tuple[str, str]
"""A field of a request, as ``spec.image``, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The cluster that a request asks for."""

    cluster: Cluster
    request_id: str
    spec_hash: str
    owner: str

    @property
    def replicas(self) -> int:
        """How many pods."""
        return self.cluster.replicas or 0

    def manifest(self) -> Object:
        """Return the Deployment to make."""
        obj = deployment(self.cluster)
        annotations = {REQUEST_ID: self.request_id, SPEC_HASH: self.spec_hash, OWNER: self.owner}
        return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def wanted(request: pb.CreateClusterRequest, namespace: str, request_id: str, owner: str, settings: Settings) -> Wanted:
    """Return what a request asks for, with what it leaves to the worker filled in."""
    spec = request.spec
    cluster = Cluster(
        name=request.name,
        namespace=namespace,
        image=spec.image or settings.image,
        replicas=spec.replicas,
        command=list(spec.command),
        args=list(spec.args),
        env=dict(spec.env),
        labels=dict(spec.labels),
        node_selector=settings.node_selector,
        resources={"requests": dict(spec.resources.requests), "limits": dict(spec.resources.limits)},
    )
    return Wanted(cluster, request_id, spec_hash(cluster), owner)


def spec_hash(cluster: Cluster) -> str:
    """Return what tells one spec from another, but for the number of pods: that one is changed by scaling."""
    fields = {
        "image": cluster.image,
        "command": list(cluster.command or ()),
        "args": list(cluster.args or ()),
        "env": dict(cluster.env),
        "labels": dict(cluster.labels),
        "resources": {kind: dict(amounts) for kind, amounts in cluster.resources.items() if amounts},
    }
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def create_violations(request: pb.CreateClusterRequest, cluster: Cluster, settings: Settings) -> list[Violation]:
    """Return everything that is wrong with a request to create a cluster."""
    found = [(_path(field), problem) for field, problem in field_problems(cluster)]
    if cluster.replicas is not None and cluster.replicas > settings.max_replicas:
        found.append(("spec.replicas", _too_many(cluster.replicas, settings)))
    if request.spec.ByteSize() > MOST_BYTES:
        found.append(("spec", f"it has {request.spec.ByteSize()} bytes, which is more than {MOST_BYTES}"))
    return found + request_id_violations(request.request_id)


def scale_violations(request: pb.ScaleClusterRequest, settings: Settings) -> list[Violation]:
    """Return everything that is wrong with a request to scale a cluster."""
    found = name_violations(request.name) + request_id_violations(request.request_id)
    if request.replicas < 0:
        found.append(("replicas", f"replicas is {request.replicas}, which is less than 0"))
    if request.replicas > settings.max_replicas:
        found.append(("replicas", _too_many(request.replicas, settings)))
    return found


def list_violations(request: pb.ListClustersRequest) -> list[Violation]:
    """Return what is wrong with a request for a page."""
    return [("page_size", f"page_size is {request.page_size}, which is less than 0")] * (request.page_size < 0)


def name_violations(name: str) -> list[Violation]:
    """Return what is wrong with the name of a cluster."""
    return [("name", problem) for problem in name_problems("name", name)]


def request_id_violations(request_id: str) -> list[Violation]:
    """Return what is wrong with a request id: it is kept in an annotation, and told in logs."""
    if len(request_id) <= LONGEST_ID and all(ord(char) in _PRINTABLE for char in request_id):
        return []
    return [("request_id", f"it is not at most {LONGEST_ID} printable characters of ASCII, as those of a UUID")]


def _too_many(replicas: int, settings: Settings) -> str:
    return f"replicas is {replicas}, which is more than this worker allows: {settings.max_replicas}"


def _path(field: str) -> str:
    return f"spec.{field}" if field in _OF_SPEC else field


def is_cluster(obj: Object) -> bool:
    """Whether a Deployment is one that the worker made."""
    return is_ours(obj) and bool(annotation(obj, SPEC_HASH))


def annotation(obj: Object, key: str) -> str:
    """Return an annotation, empty if there is none."""
    return str((obj["metadata"].get("annotations") or {}).get(key, ""))


def replicas_of(obj: Object) -> int:
    """Return how many pods a Deployment is to have."""
    return int(obj["spec"].get("replicas", 1))


def message(obj: Object, state: pb.State, cause: Cause | None = None, *, default_image: str = "") -> pb.Cluster:
    """Return a Deployment as callers see it; an image that is the worker's default was left to the worker."""
    meta = obj["metadata"]
    found = pb.Cluster(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta["uid"],
        spec=_spec(obj, default_image),
        state=state,
        available_replicas=int(obj.get("status", {}).get("availableReplicas") or 0),
        owner=annotation(obj, OWNER),
        cause=cause_message(cause) if cause else None,
    )
    found.create_time.FromDatetime(datetime.fromisoformat(meta["creationTimestamp"]))
    return found


def cause_message(cause: Cause) -> pb.Cause:
    """Return a cause as callers see it."""
    return pb.Cause(**cause.as_dict())


def _spec(obj: Object, default_image: str) -> pb.ClusterSpec:
    template = obj["spec"]["template"]
    container = template["spec"]["containers"][0]
    resources = container.get("resources") or {}
    labels = template["metadata"].get("labels") or {}
    return pb.ClusterSpec(
        image="" if container["image"] == default_image else container["image"],
        replicas=replicas_of(obj),
        command=container.get("command"),
        args=container.get("args"),
        env={each["name"]: each.get("value", "") for each in container.get("env") or ()},
        resources=pb.Resources(requests=resources.get("requests"), limits=resources.get("limits"))
        if resources.get("requests") or resources.get("limits")
        else None,
        labels={key: value for key, value in labels.items() if key not in _SET_BY_US},
    )
