# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of pods, and the Deployment that it is. Pure."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from dataclasses import dataclass, field

from .resources import DEPLOYMENT, INSTANCE, MANAGED_BY, NAME, OURS, Object

_RESERVED_LABELS = (NAME, INSTANCE, MANAGED_BY)

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and .../labels/
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_QUANTITY = re.compile(r"[0-9]*\.?[0-9]+([eE][-+]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A named group of identical pods. What is None is left to the server, or as it is."""

    name: str
    namespace: str
    image: str
    image_pull_policy: str | None = None
    replicas: int | None = None
    command: t.Sequence[str] | None = None
    args: t.Sequence[str] | None = None
    env: t.Mapping[str, str] = field(default_factory=dict)
    labels: t.Mapping[str, str] = field(default_factory=dict)
    node_selector: t.Mapping[str, str] = field(default_factory=dict)
    resources: t.Mapping[str, t.Mapping[str, str]] = field(default_factory=dict)


def reference(name: str, namespace: str) -> Object:
    """Return what identifies a cluster: enough to delete, restart or scale it."""
    labels = {NAME: name, INSTANCE: name, MANAGED_BY: OURS}
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, "metadata": meta}


def deployment(cluster: Cluster) -> Object:
    """Return the Deployment that declares a cluster, with only the fields that the cluster names."""
    obj = reference(cluster.name, cluster.namespace)
    labels = {**cluster.labels, **obj["metadata"]["labels"]}
    container = {
        "name": cluster.name,
        "image": cluster.image,
        "imagePullPolicy": cluster.image_pull_policy,
        "command": cluster.command and list(cluster.command),
        "args": cluster.args and list(cluster.args),
        "env": [{"name": name, "value": value} for name, value in sorted(cluster.env.items())],
        "resources": {kind: dict(amounts) for kind, amounts in cluster.resources.items() if amounts},
    }
    pod = {"nodeSelector": dict(cluster.node_selector), "containers": [_declared(container)]}
    spec = {
        "replicas": cluster.replicas,
        "selector": {"matchLabels": {key: labels[key] for key in (INSTANCE, MANAGED_BY)}},
        "template": {"metadata": {"labels": labels}, "spec": _declared(pod)},
    }
    return {**obj, "metadata": {**obj["metadata"], "labels": labels}, "spec": _declared(spec)}


def _declared(fields: Object) -> Object:
    return {key: value for key, value in fields.items() if value not in (None, {}, [])}


def name_problems(what: str, name: str) -> list[str]:
    """Return what is wrong with the name of a cluster or a namespace."""
    if _DNS_LABEL.fullmatch(name):
        return []
    return [
        f"{what} {name!r} is no DNS label: at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"
    ]


def subdomain_problems(what: str, name: str) -> list[str]:
    """Return what is wrong with the name of an object of most kinds."""
    if len(name) <= 253 and _DNS_SUBDOMAIN.fullmatch(name):
        return []
    return [f"{what} {name!r} is no DNS subdomain: at most 253 of a-z, 0-9, - and ., as app-1.example"]


def label_problems(labels: t.Mapping[str, str], *, what: str = "label") -> list[str]:
    """Return what is wrong with the syntax of labels, a line for each key or value."""
    problems = []
    for key, value in labels.items():
        prefix, slash, name = key.rpartition("/")
        if not _LABEL_PART.fullmatch(name) or (slash and not _DNS_SUBDOMAIN.fullmatch(prefix)) or len(prefix) > 253:
            problems.append(f"{what} key {key!r} is not of the form [prefix/]name with a name of at most 63 characters")
        if value and not _LABEL_PART.fullmatch(value):
            problems.append(f"{what} {key}: value {value!r} is not at most 63 of A-Z, a-z, 0-9, -, _ and .")
    return problems


def field_problems(cluster: Cluster) -> list[tuple[str, str]]:
    """Return everything that is wrong with a cluster and can be known without asking a server, each with its field."""
    image, replicas = cluster.image, cluster.replicas
    found = {
        "name": name_problems("name", cluster.name),
        "namespace": name_problems("namespace", cluster.namespace),
        "image": ["image is missing"] * (not image)
        + [f"image {image!r} is no image reference such as registry/name:tag"] * any(map(str.isspace, image)),
        "replicas": [f"replicas is {replicas}, which is less than 0"] * (replicas is not None and replicas < 0),
        "labels": label_problems(cluster.labels)
        + [f"label {key} is set by Slipway itself" for key in _RESERVED_LABELS if key in cluster.labels],
        "node_selector": label_problems(cluster.node_selector, what="node_selector"),
        "env": [
            f"env name {name!r} is no environment variable" for name in cluster.env if not _ENV_NAME.fullmatch(name)
        ],
        "resources": [
            f"resources {kind} {resource}: {amount!r} is no quantity such as 500m or 64Mi"
            for kind, amounts in cluster.resources.items()
            for resource, amount in amounts.items()
            if not _QUANTITY.fullmatch(amount)
        ],
    }
    return [(name, problem) for name, problems in found.items() for problem in problems]


def cluster_problems(cluster: Cluster) -> list[str]:
    """Return everything that is wrong with a cluster, a line each."""
    return [f"cluster {cluster.name!r}: {problem}" for _field, problem in field_problems(cluster)]


def duplicates(keys: t.Iterable[tuple[str, str]]) -> list[str]:
    """Return a problem for each namespace and name that is given more than once."""
    counted = Counter(keys).items()
    return [
        f"cluster {name!r} of namespace {namespace} is given {n} times" for (namespace, name), n in counted if n > 1
    ]
