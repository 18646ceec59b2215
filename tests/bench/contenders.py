"""Who creates and deletes clusters in the benchmark, and what is measured of them."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from tests.support.ansible import module, run
from tests.support.kubernetes import succeed
from tests.support.paths import CACHE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.kubernetes import Kubernetes, Object


@dataclass(frozen=True)
class Case:
    """So many clusters of so many pods each."""

    title: str
    clusters: int
    replicas: int

    @property
    def names(self) -> list[str]:
        """The clusters' names."""
        return [f"bench-{number}" for number in range(self.clusters)]


ONE = Case("1 cluster of 1 pod", 1, 1)
LARGE = Case("1 cluster of 30 pods", 1, 30)
MANY = Case("20 clusters of 1 pod", 20, 1)
CASES = (ONE, LARGE, MANY)


@dataclass(frozen=True)
class Timing:
    """Seconds from the first API request to the result, and of the whole command."""

    work: float
    command: float


@dataclass(frozen=True)
class Site:
    """Where the contenders work."""

    kubernetes: Kubernetes
    namespace: str
    image: str
    scratch: Path


class Contender(Protocol):
    """Creates and deletes the clusters of a case and returns when they are available, or gone with their pods."""

    name: str
    rounds: float  # in which it takes part at most

    def create(self, case: Case, site: Site) -> Timing:
        """Create and wait."""

    def delete(self, case: Case, site: Site) -> Timing:
        """Delete and wait."""


class Slipway:
    """`ansible localhost -m slipway.cloud.cluster`; the module reports when each phase was reached."""

    name = "Slipway"
    rounds = math.inf

    def create(self, case: Case, site: Site) -> Timing:
        """One task for all clusters."""
        clusters = [{"name": name, "image": site.image, "replicas": case.replicas} for name in case.names]
        return self._run({"clusters": clusters}, site)

    def delete(self, case: Case, site: Site) -> Timing:
        """One task for all clusters."""
        clusters = [{"name": name} for name in case.names]
        return self._run({"clusters": clusters, "state": "absent"}, site)

    def _run(self, options: Object, site: Site) -> Timing:
        everything = {"namespace": site.namespace, **options}
        answer = succeed(module("cluster", everything, kubeconfig=site.kubernetes.kubeconfig))
        last = max(seconds for cluster in answer.result["clusters"] for seconds in cluster["phases"].values())
        return Timing(last, answer.seconds)


class Kubectl:
    """`kubectl apply` and `rollout status` of each; `kubectl delete --cascade=foreground`."""

    name = "kubectl"
    rounds = math.inf

    def create(self, case: Case, site: Site) -> Timing:
        """Apply all, then wait for one after the other."""
        manifest = self._manifest(case, site)
        status = (["rollout", "status", f"deployment/{name}", f"--namespace={site.namespace}"] for name in case.names)
        return self._run(["apply", f"--filename={manifest}"], *status, site=site)

    def delete(self, case: Case, site: Site) -> Timing:
        """Delete all in the foreground, which waits."""
        manifest = self._manifest(case, site)
        return self._run(["delete", "--cascade=foreground", f"--filename={manifest}"], site=site)

    def _run(self, *commands: Sequence[str], site: Site) -> Timing:
        began = time.monotonic()
        for command in commands:
            site.kubernetes.kubectl(*command, timeout=180)
        seconds = time.monotonic() - began
        return Timing(seconds, seconds)

    def _manifest(self, case: Case, site: Site) -> Path:
        path = site.scratch / "clusters.json"
        items = [_deployment(name, case, site) for name in case.names]
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        return path


class KubernetesCore:
    """A loop over `kubernetes.core.k8s`, which waits for one after the other, as playbooks do."""

    name = "kubernetes.core"
    rounds: float = 2  # of more than four minutes each, which hardly differ
    _ansible = CACHE / "venv-bench" / "bin" / "ansible-playbook"

    def create(self, case: Case, site: Site) -> Timing:
        """One task, one item a cluster."""
        return self._run({"state": "present"}, case, site)

    def delete(self, case: Case, site: Site) -> Timing:
        """The same, in the foreground: so that the pods are gone too."""
        return self._run({"state": "absent", "delete_options": {"propagationPolicy": "Foreground"}}, case, site)

    def _run(self, options: Object, case: Case, site: Site) -> Timing:
        loop = [_deployment(name, case, site) for name in case.names]
        options = {"definition": "{{ item }}", "wait": True, "wait_timeout": 300, **options}
        play = {"hosts": "localhost", "gather_facts": False, "tasks": [{"kubernetes.core.k8s": options, "loop": loop}]}
        path = site.scratch / "kubernetes_core.json"
        path.write_text(json.dumps([play]))
        env = {"KUBECONFIG": str(site.kubernetes.kubeconfig), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
        answer = succeed(run([str(self._ansible), str(path)], env=env, timeout=600))
        return Timing(_task_seconds(answer.output), answer.seconds)


def _task_seconds(output: str) -> float:
    """The seconds of the only task, as Ansible's callback `json` has them."""
    report, _ = json.JSONDecoder().raw_decode(output[output.index("{\n") :])
    duration = report["plays"][0]["tasks"][0]["task"]["duration"]
    began, ended = (datetime.fromisoformat(duration[each]) for each in ("start", "end"))
    return (ended - began).total_seconds()


CONTENDERS: tuple[Contender, ...] = (Slipway(), Kubectl())


def _deployment(name: str, case: Case, site: Site) -> Object:
    labels = {"app": name}
    container = {"name": "main", "image": site.image, "imagePullPolicy": "IfNotPresent"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": site.namespace},
        "spec": {
            "replicas": case.replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
