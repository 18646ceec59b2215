"""The role worker against an API server: by an admin, and by one who has no more than an admin granted."""

from __future__ import annotations

import base64
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import Run, playbook, run
from tests.support.api_server import POWERLESS
from tests.support.kubernetes import succeed
from tests.support.paths import BUNDLE_BIN, VENV_BIN
from tests.support.role_site import with_only

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

IMAGE = "slipway.local/worker:0123456789ab"
IMAGES = {"worker": IMAGE}
TOKEN = "open sesame"
_numbers = itertools.count(1)

# Everything that the worker may do, beside what anybody may: see docs/security.md.
RIGHTS_IN_A_TENANT = {
    ("deployments.apps", "get list watch create patch delete"),
    ("replicasets.apps", "list watch"),
    ("pods", "list watch"),
    ("pods/log", "get"),
    ("events", "list watch"),
    ("resourcequotas", "list watch"),
}
RIGHTS_EVERYWHERE = {("nodes", "list watch")}


@dataclass
class Site:
    """The namespaces of a site of its own, and a play that does with it what playbooks do."""

    api: ApiServer
    home: Path
    number: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        self.worker, self.tenant = f"worker-{self.number}", f"tenant-{self.number}"
        self.admin = self.api.kubeconfig(self.home / "admin")
        self.user = self.api.kubeconfig(self.home / "user", token=POWERLESS)

    def variables(self, kubeconfig: Path, **more: Any) -> dict[str, Any]:
        return {
            **with_only("worker"),
            "site_kubeconfig": str(kubeconfig),
            "namespaces_list": [
                {"name": self.worker, "pod_security": "restricted"},
                {"name": self.tenant, "pod_security": "baseline"},
            ],
            "namespaces_subjects": [{"kind": "User", "name": "powerless"}],
            "worker_namespace": self.worker,
            "worker_namespaces": [self.tenant],
            "worker_wait": False,
            **more,
        }

    def play(self, kubeconfig: Path, tasks: list[dict[str, str]], *flags: str, **variables: Any) -> Run:
        """Run roles, or parts of them, as the playbooks do."""
        path = self.home / "play.yml"
        defaults = {"kubeconfig": "{{ site_kubeconfig }}", "context": "{{ site_context }}"}
        play = {
            "name": "Try the role",
            "hosts": "controller",
            "gather_facts": False,
            "module_defaults": {"group/slipway.cloud.k8s": defaults},
            "tasks": [{"name": "Do it", "ansible.builtin.include_role": task} for task in tasks],
        }
        path.write_text(json.dumps([play]))
        given = f"--extra-vars={json.dumps(self.variables(kubeconfig, images_refs=IMAGES, **variables))}"
        command = [str(VENV_BIN / "ansible-playbook"), "-i", "inventories/existing", str(path), *flags, given]
        return succeed(run(command, timeout=120))

    def install(self, kubeconfig: Path, *flags: str, **variables: Any) -> Run:
        return self.play(kubeconfig, [{"name": "namespaces"}, {"name": "worker"}], *flags, **variables)

    def get(self, path: str) -> Any:
        return self.api.request("GET", path.format(worker=self.worker, tenant=self.tenant))

    def has(self, path: str) -> bool:
        return self.api.has(path.format(worker=self.worker, tenant=self.tenant))

    def rights(self, namespace: str) -> set[tuple[str, str]]:
        """What the worker's ServiceAccount may do in a namespace, beside what anybody may."""
        return self._rights(namespace, f"system:serviceaccount:{self.worker}:worker") - self._rights(
            namespace, "nobody"
        )

    def _rights(self, namespace: str, user: str) -> set[tuple[str, str]]:
        who = ["--as", user, *(["--as-group=system:authenticated"] if user == "nobody" else [])]
        command = [
            str(BUNDLE_BIN / "kubectl"),
            f"--kubeconfig={self.admin}",
            "auth",
            "can-i",
            "--list",
            "-n",
            namespace,
        ]
        rows = succeed(run([*command, "--no-headers", *who], timeout=30)).output.splitlines()
        return {(row.split(" ", 1)[0], row.rpartition("[")[2].rstrip("] ")) for row in rows}


@pytest.fixture
def site(api: ApiServer, tmp_path: Path) -> Site:
    return Site(api, tmp_path)


NAMESPACED = "/api/v1/namespaces/{worker}"
ROLE = "/apis/rbac.authorization.k8s.io/v1/namespaces/{tenant}/roles/worker"
GLOBAL = "/apis/rbac.authorization.k8s.io/v1/clusterroles/slipway-worker-{worker}"
QUOTA = "/api/v1/namespaces/{tenant}/resourcequotas/worker"
DEPLOYMENT = "/apis/apps/v1/namespaces/{worker}/deployments/worker"


def test_by_an_admin(site: Site) -> None:
    tokens = {"worker_tokens": {"ada": TOKEN}}
    first = site.install(site.admin, "--diff", "-v", **tokens)
    again = site.install(site.admin, "--diff", **tokens)

    assert again.changed == [], again.output
    assert TOKEN not in first.output
    assert "PRIVATE KEY" not in first.output + again.output
    assert site.get(QUOTA)["spec"]["hard"] == {"pods": "500"}
    assert site.rights(site.tenant) - site.rights(site.worker) == RIGHTS_IN_A_TENANT
    assert site.rights(site.worker) == RIGHTS_EVERYWHERE
    held = site.get(f"{NAMESPACED}/secrets/worker-tokens")["data"]
    assert TOKEN not in base64.b64decode(held["tokens.json"]).decode()

    site.install(site.admin, worker_quota={}, worker_replicas=1)
    for path in (
        QUOTA,
        f"{NAMESPACED}/secrets/worker-tokens",
        "/apis/policy/v1/namespaces/{worker}/poddisruptionbudgets/worker",
    ):
        assert not site.has(path)


def test_by_one_who_was_granted_no_more_than_needed(site: Site) -> None:
    site.play(site.admin, [{"name": role, "tasks_from": "grant"} for role in ("namespaces", "worker")])
    assert site.has(GLOBAL)

    site.install(site.user, "--check")
    assert not site.has(DEPLOYMENT)
    site.install(site.user)
    assert site.install(site.user).changed == []

    container = site.get(DEPLOYMENT)["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == IMAGE
    site.play(site.user, [{"name": "worker", "tasks_from": "remove"}])
    assert "deletionTimestamp" in site.get(DEPLOYMENT)["metadata"]  # no controller is here to let it go
    kept = {path: site.has(path) for path in (ROLE, f"{NAMESPACED}/secrets/worker-ca", GLOBAL, QUOTA)}
    assert list(kept.values()) == [False, False, True, True], kept
    site.play(site.admin, [{"name": "worker", "tasks_from": "remove"}])
    assert not site.has(GLOBAL)
    assert not site.has(QUOTA)


def test_a_site_without_the_namespace_is_refused(site: Site) -> None:
    variables = {**site.variables(site.admin), "namespaces_list": [{"name": site.tenant}]}
    answer = playbook("site", variables, inventory="existing")
    assert answer.code != 0
    assert answer.changed == []
    assert f"- {{name: {site.worker}, pod_security: restricted}}" in answer.output
    assert "worker_enabled: false makes a site without it" in answer.output
