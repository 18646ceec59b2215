"""Where the worker is tested: a simulated Kubernetes with the namespaces of its clusters, and workers before it."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.api_server import MERGE_PATCH
from tests.support.paths import CHECKOUT
from tests.support.simulated import CONTROLLERS, HELD, SimulatedKubernetes
from tests.support.waiting import eventually
from tests.support.worker import Client, Worker

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from tests.support.authority import Authority

Object = dict[str, Any]

# The first is the worker's default. In `strict` no pod of ours is admitted; `small` has a quota of pods.
CLUSTERS, OTHER, STRICT, SMALL = NAMESPACES = ("clusters", "other", "strict", "small")
MISSING = "missing"  # the worker's, but not there
FORBIDDEN = "kube-public"  # there, but not the worker's
SMALL_PODS = 5
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLE_VARIABLES = CHECKOUT / "roles" / "worker" / "vars" / "main.yml"
ALLOWED = {"slipway.dev/clusters": "allowed"}
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
AT_ONCE = 8

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Site:
    """A simulated Kubernetes, and what workers before it are given."""

    kubernetes: SimulatedKubernetes
    authority: Authority
    home: Path

    def prepare(self) -> None:
        """Allow clusters on the nodes, and make the namespaces."""
        names = [f"node-{number}" for number in range(self.kubernetes.nodes)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(partial(self._patch, {"metadata": {"labels": ALLOWED}}), (f"nodes/{each}" for each in names)))
        for namespace in NAMESPACES:
            labels = RESTRICTED if namespace == STRICT else {}
            self.kubernetes.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace, "labels": labels}})
        self._limit()
        self._permit()

    def worker(self, *, url: str = "", namespaces: tuple[str, ...] = (*NAMESPACES, MISSING), **settings: str) -> Worker:
        """A worker, not started yet, whose API server is at `url`, the real one unless given."""
        home = self.home / f"worker-{next(_numbers)}"
        home.mkdir(parents=True)
        kubeconfig = self.kubernetes.kubeconfig(home / "kubeconfig", url=url, token=self._token())
        tls = self.authority.server(home / "tls")
        return Worker(home, kubeconfig, tls, namespaces, {"MAX_REPLICAS": "20000", **settings})

    def client(self, *workers: Worker) -> Client:
        """A client of these workers, in turns."""
        tls = self.authority.client(self.home / "client")
        return Client(*(worker.address for worker in workers), tls=tls)

    @contextmanager
    def running(self, count: int, **arguments: Any) -> Iterator[list[Worker]]:
        """So many ready workers, all started at once."""
        workers = [self.worker(**arguments) for _ in range(count)]
        with ExitStack() as stack:
            for worker in workers:
                worker.start()
                stack.callback(worker.kill)
            for worker in workers:
                worker.await_ready()
            yield workers

    def items(self, plural: str, name: str, namespace: str = CLUSTERS) -> list[Object]:
        """The objects of a kind that belong to a cluster: deployments, replicasets or pods."""
        group = "api/v1" if plural == "pods" else "apis/apps/v1"
        query = f"labelSelector=app.kubernetes.io/instance%3D{name}"
        found = self.kubernetes.request("GET", f"/{group}/namespaces/{namespace}/{plural}?{query}")
        return list(found["items"])

    def state(self, name: str, namespace: str = CLUSTERS) -> list[str]:
        """Uid and wanted size of what there is of a cluster: its Deployments, ReplicaSets and the number of pods."""
        kinds = [self.items(plural, name, namespace) for plural in ("deployments", "replicasets")]
        lines = [f"{obj['metadata']['uid']} {obj['spec']['replicas']}" for kind in kinds for obj in kind]
        pods = len(self.items("pods", name, namespace))
        return [*lines, f"{pods} pods"] if lines or pods else []

    def release(self, name: str, count: int, namespace: str = CLUSTERS) -> None:
        """Let the pods of a cluster go on as soon as so many of them are held."""
        pods = eventually(lambda: self._held(name, count, namespace), within=30, what=f"{count} pods of {name} held")
        self._let_go(pods)

    def held(self, names: Collection[str]) -> list[Object]:
        """The pods of these clusters that are held."""
        found = self.kubernetes.request("GET", f"/api/v1/namespaces/{CLUSTERS}/pods?labelSelector={HELD}")["items"]
        return [pod for pod in found if pod["metadata"]["labels"]["app.kubernetes.io/instance"] in names]

    def release_all(self, names: Collection[str]) -> None:
        """Let the pods of these clusters go on that are held now."""
        self._let_go(self.held(names))

    def _let_go(self, pods: Iterable[Object]) -> None:
        change = {"metadata": {"labels": {HELD: None}}}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(partial(self._patch, change), map(_path, pods)))

    def hold(self, name: str, namespace: str = CLUSTERS) -> None:
        """Keep the pods of a cluster from going."""
        for pod in self.items("pods", name, namespace):
            self._patch({"metadata": {"labels": {HELD: "yes"}}}, _path(pod))

    def hurry(self, name: str, count: int, namespace: str = CLUSTERS) -> None:
        """Give the pods of a cluster, so many, a second to end; return when all of them are such."""
        change = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        self.kubernetes.request("PATCH", path, change, content_type=MERGE_PATCH)

        def hurried() -> bool:
            pods = self.items("pods", name, namespace)
            return [pod["spec"]["terminationGracePeriodSeconds"] for pod in pods] == [1] * count

        eventually(hurried, within=30, what=f"{count} pods of {name} with a second to end", every=0.05)

    def _held(self, name: str, count: int, namespace: str) -> list[Object]:
        held = [pod for pod in self.items("pods", name, namespace) if HELD in pod["metadata"]["labels"]]
        assert len(held) == count, f"{len(held)} of {count}"
        return held

    def _patch(self, change: Object, path: str) -> None:
        self.kubernetes.request("PATCH", f"/api/v1/{path}", change, content_type=MERGE_PATCH)

    def _permit(self) -> None:
        """Give the worker the rights that its role gives it, and no others."""
        rules = yaml.safe_load(ROLE_VARIABLES.read_text())
        self.kubernetes.request("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "worker"}})
        where = {"": ("ClusterRole", rules["_worker_node_rules"])}
        where |= {f"/namespaces/{namespace}": ("Role", rules["_worker_rules"]) for namespace in NAMESPACES}
        subjects = [{"kind": "ServiceAccount", "name": "worker", "namespace": "default"}]
        for path, (kind, allowed) in where.items():
            meta = {"metadata": {"name": "worker"}}
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "worker"}
            self.kubernetes.request("POST", f"{RBAC}{path}/{kind.lower()}s", {**meta, "rules": allowed})
            binding = {**meta, "roleRef": reference, "subjects": subjects}
            self.kubernetes.request("POST", f"{RBAC}{path}/{kind.lower()}bindings", binding)

    def _token(self) -> str:
        account = "/api/v1/namespaces/default/serviceaccounts/worker"
        answer = self.kubernetes.request("POST", f"{account}/token", {"spec": {"expirationSeconds": 86400}})
        return str(answer["status"]["token"])

    def _limit(self) -> None:
        """Give `small` its quota; return when it holds."""
        quotas = f"/api/v1/namespaces/{SMALL}/resourcequotas"
        quota = {"metadata": {"name": "pods"}, "spec": {"hard": {"pods": str(SMALL_PODS)}}}
        self.kubernetes.request("POST", quotas, quota)
        used = partial(self.kubernetes.request, "GET", f"{quotas}/pods")
        eventually(lambda: used().get("status", {}).get("used"), within=30, what="the quota is counted")


@contextmanager
def a_site(home: Path, authority: Authority, *, nodes: int = 10) -> Iterator[Site]:
    """A simulated Kubernetes of its own."""
    (home / "kubernetes").mkdir(parents=True)
    controllers = (*CONTROLLERS, "resourcequota-controller")
    with SimulatedKubernetes(home / "kubernetes", nodes=nodes, controllers=controllers) as kubernetes:
        site = Site(kubernetes, authority, home)
        site.prepare()
        yield site


def unique(prefix: str) -> str:
    """A name that no other cluster of this process has."""
    return f"{prefix}-{next(_numbers)}"


def _path(pod: Object) -> str:
    return f"namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
