"""What answers when the site is up: a row for everything that site.yml deploys. A role adds its rows here."""

from __future__ import annotations

import re
import shlex
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Kubectl = Callable[..., str]


@dataclass(frozen=True)
class Row:
    """A URL, or the arguments of kubectl, and a pattern of the whole answer."""

    role: str
    call: str
    expected: str

    @property
    def in_namespace(self) -> bool:
        """Whether it can be asked by one who has rights in a namespace of the site alone."""
        return "{namespace}" in self.call


READY = "--output=jsonpath='{.status.readyReplicas} of {.spec.replicas}'"
ON_EVERY_NODE = "--output=jsonpath='{.status.numberReady} of {.status.desiredNumberScheduled}'"
ALL = r"([1-9]\d*) of \1"
DEFAULT_CLASS = (
    r'{.items[?(@.metadata.annotations.storageclass\.kubernetes\.io/is-default-class=="true")].metadata.name}'
)
AVAILABLE = '{.status.conditions[?(@.type=="Available")].status}'
ENFORCED = r"{.metadata.labels.pod-security\.kubernetes\.io/enforce}"
BALANCED = "{.status.loadBalancer.ingress[0].ip}"
ADDRESS = r"\d+(\.\d+){3}"
AS_REDIS = "--as=system:serviceaccount:redis:redis"
AS_WORKER = "--as=system:serviceaccount:slipway:worker"

ROWS = (
    Row("kubeadm", "get --raw=/readyz", "ok"),
    Row(
        "kubeadm",
        """get nodes --output=jsonpath='{.items[*].status.conditions[?(@.type=="Ready")].status}'""",
        r"True( True)*",
    ),
    Row("kubeadm", f"-n kube-system get deployment coredns {READY}", ALL),
    Row("kubeadm", f"-n kube-system get daemonset kube-proxy {ON_EVERY_NODE}", ALL),
    Row("kubeadm", f"-n kube-flannel get daemonset kube-flannel-ds {ON_EVERY_NODE}", ALL),
    Row(
        "namespaces", f"get namespace {{namespace}} --output=jsonpath='{{.status.phase}} {ENFORCED}'", "Active baseline"
    ),
    Row("namespaces", "auth can-i create deployments.apps -n {namespace}", "yes"),
    Row(
        "admission",
        "get validatingadmissionpolicies --selector=app.kubernetes.io/managed-by=slipway --output=name",
        r"(validatingadmissionpolicy\S+\s*)+",
    ),
    Row(
        "network_policies",
        "-n slipway get networkpolicies --output=jsonpath={.items[*].metadata.name}",
        "driver nginx-pool object-store publisher slipway-default-deny worker",
    ),
    Row(
        "network_policies",
        "-n redis get networkpolicies --output=jsonpath={.items[*].metadata.name}",
        "counter redis redis-backup redis-restore redis-sentinel slipway-default-deny",
    ),
    Row("addons", f"get storageclass --output=jsonpath='{DEFAULT_CLASS}'", "local-path"),
    Row("addons", f"-n metallb-system get deployment controller {READY}", ALL),
    Row("addons", f"-n metallb-system get daemonset speaker {ON_EVERY_NODE}", ALL),
    Row("addons", f"get apiservice v1beta1.metrics.k8s.io --output=jsonpath='{AVAILABLE}'", "True"),
    Row("worker", f"-n slipway get deployment worker {READY}", ALL),
    Row("worker", "-n {namespace} get role worker --output=jsonpath={.metadata.name}", "worker"),
    Row("worker", f"-n clusters auth can-i create deployments.apps {AS_WORKER}", "yes"),
    Row("worker", f"get nodes --output=name {AS_WORKER}", r"(node/\S+\s*)+"),
    Row("object_store", f"-n slipway get deployment object-store-0 {READY}", ALL),
    Row("publisher", f"-n slipway get deployment publisher {READY}", ALL),
    Row("nginx_pool", f"-n slipway get deployment nginx-pool {READY}", ALL),
    Row("redis", f"get namespace redis --output=jsonpath='{{.status.phase}} {ENFORCED}'", "Active restricted"),
    Row("redis", f"-n redis get statefulset redis {READY}", ALL),
    Row("redis", f"-n redis get statefulset redis-sentinel {READY}", ALL),
    Row("redis", "-n redis get persistentvolumeclaims --output=jsonpath={.items[*].status.phase}", r"Bound( Bound){5}"),
    Row("redis", "-n redis get endpointslice redis-master --output=jsonpath={.endpoints[*].addresses[0]}", ADDRESS),
    Row("redis", "-n redis get endpointslice redis-0-absent --output=jsonpath={.endpoints[*].addresses[0]}", ADDRESS),
    Row("redis", "-n redis get configmap redis-bootstrap --ignore-not-found --output=name", ""),
    Row("redis", f"-n redis auth can-i patch endpointslices.discovery.k8s.io/redis-master {AS_REDIS}", "yes"),
    Row("counter", f"-n redis get deployment counter {READY}", ALL),
    Row("counter", f"-n redis get service counter --output=jsonpath={BALANCED}", ADDRESS),
    Row("labels", "get nodes --selector=slipway.dev/clusters!=allowed --output=name", ""),
)


def complaint(row: Row, kubectl: Kubectl, *, namespace: str) -> str:
    """Return how the answer differs from what is expected, nothing if it does not."""
    if row.call.startswith("http"):
        with urllib.request.urlopen(row.call, timeout=5) as response:
            answer = response.read().decode().strip()
    else:
        call = row.call.replace("{namespace}", namespace)
        answer = kubectl(*shlex.split(call)).strip()
    return "" if re.fullmatch(row.expected, answer) else f"{row.call}: {answer!r} is not {row.expected!r}"
