"""The role counter against an API server: by an admin, and by one who has no more than an admin granted."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import Run, playbook, run
from tests.support.api_server import POWERLESS
from tests.support.kubernetes import succeed
from tests.support.paths import VENV_BIN
from tests.support.role_site import with_only

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

IMAGE = "slipway.local/counter:0123456789ab"
OTHER = {"counter_image": "registry.example/app:1", "redis_user": "default"}
_numbers = itertools.count(1)

DEPLOYMENT = "/apis/apps/v1/namespaces/{}/deployments/counter"
SERVICE = "/api/v1/namespaces/{}/services/counter"
BUDGET = "/apis/policy/v1/namespaces/{}/poddisruptionbudgets/counter"


@dataclass
class Site:
    """A namespace of its own, and a play that does with the role what playbooks do."""

    api: ApiServer
    home: Path
    number: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        self.namespace = f"counter-{self.number}"
        self.admin = self.api.kubeconfig(self.home / "admin")
        self.user = self.api.kubeconfig(self.home / "user", token=POWERLESS)

    def variables(self, kubeconfig: Path, **more: Any) -> dict[str, Any]:
        return {
            "site_kubeconfig": str(kubeconfig),
            "namespaces_list": [{"name": self.namespace, "pod_security": "restricted"}],
            "namespaces_subjects": [{"kind": "User", "name": "powerless"}],
            **with_only("redis", "counter"),
            "redis_namespace": self.namespace,
            "counter_wait": False,
            **more,
        }

    def play(self, kubeconfig: Path, tasks: list[dict[str, Any]], *flags: str, **variables: Any) -> Run:
        """Run the role, or parts of it, as the playbooks do."""
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
        given = self.variables(kubeconfig, images_refs={"counter": IMAGE}, **variables)
        command = [str(VENV_BIN / "ansible-playbook"), "-i", "inventories/existing", str(path), *flags]
        return succeed(run([*command, f"--extra-vars={json.dumps(given)}"], timeout=120))

    def install(self, kubeconfig: Path, *flags: str, **variables: Any) -> Run:
        return self.play(kubeconfig, [{"name": "namespaces"}, {"name": "counter"}], *flags, **variables)

    def get(self, path: str) -> Any:
        return self.api.request("GET", path.format(self.namespace))

    def has(self, path: str) -> bool:
        return self.api.has(path.format(self.namespace))

    def container(self) -> dict[str, Any]:
        """The container of the Deployment."""
        [found] = self.get(DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
        return dict(found)


@pytest.fixture
def site(api: ApiServer, tmp_path: Path) -> Site:
    return Site(api, tmp_path)


def test_by_an_admin(site: Site) -> None:
    site.install(site.admin)
    again = site.install(site.admin, "--diff")
    assert again.changed == [], again.output
    assert site.container()["image"] == IMAGE
    assert site.get(DEPLOYMENT)["spec"]["replicas"] == 2
    assert site.get(SERVICE)["spec"]["ports"][0]["port"] == 80
    assert site.has(BUDGET)

    site.install(site.admin, counter_replicas=1, counter_port=8080, counter_via="master")
    assert site.get(DEPLOYMENT)["spec"]["replicas"] == 1
    assert site.get(SERVICE)["spec"]["ports"][0]["port"] == 8080
    assert {"name": "COUNTER_REDIS", "value": "redis-master:6379"} in site.container()["env"]
    assert not site.has(BUDGET)


def test_another_app_in_its_place(site: Site) -> None:
    site.install(site.admin)
    site.install(site.admin, **OTHER, counter_environment={"PORT": 8080})
    assert site.install(site.admin, **OTHER, counter_environment={"PORT": 8080}).changed == []
    container = site.container()
    assert container["image"] == OTHER["counter_image"]
    names = {each["name"] for each in container["env"]}
    assert names == {"REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "PORT"}
    assert [each["name"] for each in container["volumeMounts"]] == ["tmp"]


def test_by_one_who_was_granted_no_more_than_needed(site: Site) -> None:
    site.play(site.admin, [{"name": role, "tasks_from": "grant"} for role in ("namespaces", "counter")])
    site.install(site.user, "--check")
    assert not site.has(DEPLOYMENT)
    site.install(site.user)
    assert site.install(site.user).changed == []
    assert site.container()["image"] == IMAGE

    site.play(site.user, [{"name": "counter", "tasks_from": "remove"}])
    assert "deletionTimestamp" in site.get(DEPLOYMENT)["metadata"]  # no controller lets it go here
    assert [site.has(path) for path in (SERVICE, BUDGET)] == [False, False]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"redis_enabled": False}, "give redis_enabled true, or counter_enabled false"),
        ({"counter_image": "registry.example/app:1"}, "give redis_user default, or the name of that variable"),
        ({"counter_via": "dns"}, "value of counter_via must be one of: sentinel, master"),
        ({"counter_namespace": "elsewhere"}, "counter_enabled: false makes a site without it"),
    ],
)
def test_bad_input_is_refused_before_anything_is_changed(site: Site, variables: dict[str, Any], said: str) -> None:
    given = {**site.variables(site.admin), **variables}
    answer = playbook("site", given, inventory="existing")
    assert answer.code != 0
    assert answer.changed == []
    assert said in " ".join(answer.output.split()), answer.output
