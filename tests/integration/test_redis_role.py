"""The role redis against an API server: by an admin, and by one with no more than was granted."""

from __future__ import annotations

import base64
import itertools
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import Run, playbook, run
from tests.support.api_server import POWERLESS
from tests.support.kubernetes import succeed
from tests.support.paths import BUNDLE_BIN, VENV_BIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

IMAGE = "slipway.local/redis:0123456789ab"
PASSWORD = "it's \"open\" sesame"
_numbers = itertools.count(1)

# Everything that the agents may do, beside what anybody may: see docs/security.md.
RIGHTS = {
    ("endpointslices.discovery.k8s.io", "", "create"),
    ("endpointslices.discovery.k8s.io", "redis-master", "get update patch"),
    ("events", "", "create"),
}
CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {
        "name": "local-path",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
    },
    "provisioner": "rancher.io/local-path",
}
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


@dataclass
class Site:
    """A namespace of its own, and a play that does with the role what playbooks do."""

    api: ApiServer
    home: Path
    number: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        self.namespace = f"redis-{self.number}"
        self.admin = self.api.kubeconfig(self.home / "admin")
        self.user = self.api.kubeconfig(self.home / "user", token=POWERLESS)

    def variables(self, kubeconfig: Path, **more: Any) -> dict[str, Any]:
        return {
            "site_kubeconfig": str(kubeconfig),
            "namespaces_list": [{"name": self.namespace, "pod_security": "restricted"}],
            "namespaces_subjects": [{"kind": "User", "name": "powerless"}],
            "redis_enabled": True,
            "redis_namespace": self.namespace,
            "redis_wait": False,
            **more,
        }

    def play(self, kubeconfig: Path, tasks: list[dict[str, Any]], *flags: str, **variables: Any) -> Run:
        """Run the role, or parts of it, as the playbooks do; what it answers is to be judged."""
        path = self.home / "play.yml"
        play = {
            "name": "Try the role",
            "hosts": "controller",
            "gather_facts": False,
            "module_defaults": {
                "group/slipway.cloud.k8s": {"kubeconfig": "{{ site_kubeconfig }}", "context": "{{ site_context }}"}
            },
            "tasks": [{"name": "Do it", "ansible.builtin.include_role": task} for task in tasks],
        }
        path.write_text(json.dumps([play]))
        given = self.variables(kubeconfig, images_refs={"redis": IMAGE}, **variables)
        command = [str(VENV_BIN / "ansible-playbook"), "-i", "inventories/existing", str(path), *flags]
        return run([*command, f"--extra-vars={json.dumps(given)}"], timeout=120)

    def install(self, kubeconfig: Path, *flags: str, **variables: Any) -> Run:
        return self.play(kubeconfig, [{"name": "namespaces"}, {"name": "redis"}], *flags, **variables)

    def get(self, path: str) -> Any:
        return self.api.request("GET", path.format(self.namespace))

    def has(self, path: str) -> bool:
        return self.api.has(path.format(self.namespace))

    def held(self, name: str) -> dict[str, str]:
        """What a Secret holds."""
        data = self.get(f"/api/v1/namespaces/{{}}/secrets/{name}")["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def rights(self) -> set[tuple[str, str, str]]:
        """What the agents' ServiceAccount may do there, beside what anybody may."""
        return self._rights(f"system:serviceaccount:{self.namespace}:redis") - self._rights("nobody")

    def _rights(self, user: str) -> set[tuple[str, str, str]]:
        who = ["--as", user, *(["--as-group=system:authenticated"] if user == "nobody" else [])]
        kubectl = [str(BUNDLE_BIN / "kubectl"), f"--kubeconfig={self.admin}", "-n", self.namespace]
        answer = succeed(run([*kubectl, "auth", "can-i", "--list", "--no-headers", *who], timeout=30))
        return set(re.findall(r"^(\S+) +\[\] +\[(.*?)\] +\[(.*?)\]", answer.output, re.MULTILINE))


@pytest.fixture
def site(api: ApiServer, tmp_path: Path) -> Site:
    if not api.has(f"{CLASSES}/local-path"):
        api.request("POST", CLASSES, CLASS)
    return Site(api, tmp_path)


SET = "/apis/apps/v1/namespaces/{{}}/statefulsets/{}"
MAP = "/api/v1/namespaces/{{}}/configmaps/{}"
SERVICE = "/api/v1/namespaces/{{}}/services/{}"


def test_by_an_admin(site: Site) -> None:
    first = succeed(site.install(site.admin, "--diff", "-vv"))
    made = {name: site.held(name) for name in ("redis", "redis-acl")}
    again = succeed(site.install(site.admin, "--diff", "-vv"))

    assert again.changed == [], again.output
    assert {name: site.held(name) for name in ("redis", "redis-acl")} == made
    secrets = [made["redis"]["password"], *(made["redis-acl"][name] for name in ("agent", "replica", "sentinel"))]
    for value in secrets:
        assert len(value) == 32
        assert value not in first.output + again.output
        assert value not in made["redis-acl"]["users.acl"] + made["redis-acl"]["sentinel.acl"]
    assert site.rights() == RIGHTS

    nodes = json.loads(site.get(MAP.format("redis-nodes"))["data"]["nodes.json"])
    names = [*(f"redis-{number}" for number in range(3)), *(f"redis-sentinel-{number}" for number in range(3))]
    given = {each["name"]: each["ip"] for each in nodes["data"] + nodes["sentinels"]}
    assert given == {name: site.get(SERVICE.format(name))["spec"]["clusterIP"] for name in names}
    assert site.get(MAP.format("redis-bootstrap"))["data"] == {"bootstrap": "true"}
    assert "selector" not in site.get(SERVICE.format("redis-master"))["spec"]
