# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where objects of a kind are to be found in the API."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from urllib.parse import quote

Object = dict[str, t.Any]

# The labels by which our objects are known, https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
MANAGED_BY = "app.kubernetes.io/managed-by"
OURS = "slipway"

BUILT_IN_GROUPS = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "autoscaling",
        "batch",
        "coordination.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind and its place in the API; ``has_status`` tells whether a controller can write a status of its own."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True
    has_status: bool = field(default=False, compare=False)

    @property
    def group(self) -> str:
        """The API group, empty for the core one."""
        return self.api_version.rpartition("/")[0]

    @property
    def built_in(self) -> bool:
        """Whether every Kubernetes has it; else somebody's controller or API server brought it."""
        return self.group in BUILT_IN_GROUPS

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Return the path of one object, or of the collection where no name is given."""
        prefix = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        scope = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{prefix}{scope}/{self.plural}" + (f"/{quote(name)}" if name else "")


DEPLOYMENT = Resource("apps/v1", "Deployment", "deployments")
REPLICA_SET = Resource("apps/v1", "ReplicaSet", "replicasets")
POD = Resource("v1", "Pod", "pods")
JOB = Resource("batch/v1", "Job", "jobs")
SECRET = Resource("v1", "Secret", "secrets")
CONFIG_MAP = Resource("v1", "ConfigMap", "configmaps")
SERVICE = Resource("v1", "Service", "services")
SERVICE_ACCOUNT = Resource("v1", "ServiceAccount", "serviceaccounts")
NAMESPACE = Resource("v1", "Namespace", "namespaces", namespaced=False)
NODE = Resource("v1", "Node", "nodes", namespaced=False)
EVENT = Resource("v1", "Event", "events")
STORAGE_CLASS = Resource("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)

# Custom resources whose ways are known here, by group and kind.
SELDON_DEPLOYMENT = ("machinelearning.seldon.io", "SeldonDeployment")
ROLLOUT = ("argoproj.io", "Rollout")

KNOWN = {
    (each.api_version, each.kind): each
    for each in (DEPLOYMENT, REPLICA_SET, POD, JOB, SECRET, SERVICE, SERVICE_ACCOUNT, NAMESPACE, NODE)
}


def is_built_in(obj: Object) -> bool:
    """Whether an object is of a group that every Kubernetes has."""
    return obj["apiVersion"].rpartition("/")[0] in BUILT_IN_GROUPS


def title(kind: str, name: str, namespace: str | None = None) -> str:
    """Return how messages name an object: ``Deployment demo in namespace clusters``."""
    return f"{kind} {name} in namespace {namespace}" if namespace else f"{kind} {name}"


def controller_uid(obj: Object) -> str | None:
    """Return the uid of the object that controls this one, if any."""
    owners = obj["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), None)


def object_key(obj: Object) -> tuple[str, str]:
    """Return the namespace (empty if it has none) and name of an object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
