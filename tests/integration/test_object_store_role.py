"""The roles object_store and publisher against an API server: by an admin, and by one with no more than was granted."""

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
from tests.support.paths import BUNDLE_BIN, CHECKOUT, VENV_BIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

IMAGE = "slipway.local/publisher:0123456789ab"
SECRET_KEY = "open sesame"
ROLES = ("object_store", "publisher")
TWO = {"object_store_names": ["object-store-0", "object-store-1"]}
_numbers = itertools.count(1)

# Everything that the publisher may do, beside what anybody may: see docs/security.md.
RIGHTS = {
    ("endpointslices.discovery.k8s.io", "", "list watch"),
    ("services", "nginx-pool", "get"),
    ("leases.coordination.k8s.io", "", "create"),
    ("leases.coordination.k8s.io", "publisher", "get update"),
}


@dataclass
class Site:
    """A namespace of its own, and a play that does with the roles what playbooks do."""

    api: ApiServer
    home: Path
    number: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        self.namespace = f"listing-{self.number}"
        self.admin = self.api.kubeconfig(self.home / "admin")
        self.user = self.api.kubeconfig(self.home / "user", token=POWERLESS)

    def variables(self, kubeconfig: Path, **more: Any) -> dict[str, Any]:
        return {
            "site_kubeconfig": str(kubeconfig),
            "namespaces_list": [{"name": self.namespace, "pod_security": "restricted"}],
            "namespaces_subjects": [{"kind": "User", "name": "powerless"}],
            **{f"{role}_namespace": self.namespace for role in ROLES},
            **{f"{role}_wait": False for role in ROLES},
            **more,
        }

    def play(self, kubeconfig: Path, tasks: list[dict[str, Any]], *flags: str, **variables: Any) -> Run:
        """Run roles, or parts of them, as the playbooks do."""
        path = self.home / "play.yml"
        play = {
            "name": "Try the roles",
            "hosts": "controller",
            "gather_facts": False,
            "module_defaults": {
                "group/slipway.cloud.k8s": {"kubeconfig": "{{ site_kubeconfig }}", "context": "{{ site_context }}"}
            },
            "tasks": [{"name": "Do it", "ansible.builtin.include_role": {"public": True, **task}} for task in tasks],
        }
        path.write_text(json.dumps([play]))
        given = self.variables(kubeconfig, images_refs={"publisher": IMAGE}, **variables)
        command = [str(VENV_BIN / "ansible-playbook"), "-i", "inventories/existing", str(path), *flags]
        return succeed(run([*command, f"--extra-vars={json.dumps(given)}"], timeout=120))

    def install(self, kubeconfig: Path, *flags: str, **variables: Any) -> Run:
        return self.play(kubeconfig, [{"name": role} for role in ("namespaces", *ROLES)], *flags, **variables)

    def remove(self, kubeconfig: Path, **variables: Any) -> Run:
        tasks = [{"name": role, "tasks_from": "remove"} for role in reversed(ROLES)]
        return self.play(kubeconfig, tasks, **variables)

    def get(self, path: str) -> Any:
        return self.api.request("GET", path.format(self.namespace))

    def has(self, path: str) -> bool:
        return self.api.has(path.format(self.namespace))

    def held(self, name: str) -> dict[str, str]:
        """What a Secret holds."""
        data = self.get(f"/api/v1/namespaces/{{}}/secrets/{name}")["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def rights(self) -> set[tuple[str, str, str]]:
        """What the publisher's ServiceAccount may do there, beside what anybody may."""
        return self._rights(f"system:serviceaccount:{self.namespace}:publisher") - self._rights("nobody")

    def _rights(self, user: str) -> set[tuple[str, str, str]]:
        who = ["--as", user, *(["--as-group=system:authenticated"] if user == "nobody" else [])]
        kubectl = [str(BUNDLE_BIN / "kubectl"), f"--kubeconfig={self.admin}", "-n", self.namespace]
        answer = succeed(run([*kubectl, "auth", "can-i", "--list", "--no-headers", *who], timeout=30))
        rows = re.findall(r"^(\S+) +\[\] +\[(.*?)\] +\[(.*?)\]", answer.output, re.MULTILINE)
        return set(rows)


@pytest.fixture
def site(api: ApiServer, tmp_path: Path) -> Site:
    return Site(api, tmp_path)


DEPLOYMENT = "/apis/apps/v1/namespaces/{{}}/deployments/{}"
CLAIM = "/api/v1/namespaces/{{}}/persistentvolumeclaims/{}"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/publisher"


def test_by_an_admin(site: Site) -> None:
    first = site.install(site.admin, "--diff", "-v", **TWO)
    made = site.held("object-store")
    again = site.install(site.admin, "--diff", "-v", **TWO)

    assert again.changed == [], again.output
    assert site.held("object-store") == made
    assert {len(value) for value in made.values()} == {32}
    for value in made.values():
        assert value not in first.output + again.output
    targets = json.loads(site.held("publisher-targets")["targets.json"])
    assert [(each["url"], each["key"], each["secret"], each["create"]) for each in targets] == [
        (f"http://object-store-{number}.{site.namespace}.svc:7070", made["access_key"], made["secret_key"], True)
        for number in range(2)
    ]
    assert site.rights() == RIGHTS
    page = (CHECKOUT / "roles/publisher/templates/index.template").read_text()
    shipped = site.get("/api/v1/namespaces/{}/configmaps/publisher-template")["data"]["index.template"]
    assert shipped.rstrip() == page.rstrip()


def test_given_credentials_restart_those_who_use_them(site: Site) -> None:
    site.install(site.admin, **TWO)
    before = [site.get(DEPLOYMENT.format(name))["metadata"]["generation"] for name in ("object-store-1", "publisher")]
    given = {"object_store_access_key": "ada", "object_store_secret_key": SECRET_KEY}
    answer = site.install(site.admin, "--diff", "-v", **TWO, **given)
    assert SECRET_KEY not in answer.output
    assert site.held("object-store") == {"access_key": "ada", "secret_key": SECRET_KEY}
    assert {each["secret"] for each in json.loads(site.held("publisher-targets")["targets.json"])} == {SECRET_KEY}
    after = [site.get(DEPLOYMENT.format(name))["metadata"]["generation"] for name in ("object-store-1", "publisher")]
    assert after == [generation + 1 for generation in before]


def test_what_is_written_to_the_lease_stays(site: Site) -> None:
    site.install(site.admin)
    lease = site.get(LEASE)
    held = {"holderIdentity": "publisher-0", "leaseDurationSeconds": 9}
    lease["metadata"].setdefault("annotations", {})["slipway.dev/generation"] = "41"
    site.api.request("PUT", LEASE.format(site.namespace), {**lease, "spec": held})
    assert site.install(site.admin).changed == []
    kept = site.get(LEASE)
    assert (kept["spec"], kept["metadata"]["annotations"]["slipway.dev/generation"]) == (held, "41")


def test_a_store_that_is_no_longer_wanted_keeps_its_volume(site: Site) -> None:
    site.install(site.admin, **TWO)
    site.install(site.admin)
    gone = site.get("/apis/apps/v1/namespaces/{}/deployments")["items"]
    names = [each["metadata"]["name"] for each in gone if "deletionTimestamp" not in each["metadata"]]
    assert sorted(names) == ["object-store-0", "publisher"]
    assert site.has(CLAIM.format("object-store-1"))


def test_stores_of_others(site: Site) -> None:
    given = {
        "object_store_urls": ["https://s3.example"],
        "object_store_access_key": "ada",
        "object_store_secret_key": SECRET_KEY,
    }
    site.install(site.admin, **given)
    assert not site.has(DEPLOYMENT.format("object-store-0"))
    assert json.loads(site.held("publisher-targets")["targets.json"]) == [
        {
            "name": "s3.example",
            "url": "https://s3.example",
            "bucket": "podlister",
            "region": "us-east-1",
            "key": "ada",
            "secret": SECRET_KEY,
            "privilege": "public-read",
            "create": False,
        }
    ]


def test_by_one_who_was_granted_no_more_than_needed(site: Site) -> None:
    site.play(site.admin, [{"name": role, "tasks_from": "grant"} for role in ("namespaces", *ROLES)])
    site.install(site.user, "--check")
    assert not site.has(DEPLOYMENT.format("publisher"))
    site.install(site.user)
    assert site.install(site.user).changed == []
    container = site.get(DEPLOYMENT.format("publisher"))["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == IMAGE

    site.remove(site.user)
    for name in ("publisher", "object-store-0"):
        assert "deletionTimestamp" in site.get(DEPLOYMENT.format(name))["metadata"]  # no controller lets it go here
    for name in ("object-store", "publisher-targets"):
        assert not site.has(f"/api/v1/namespaces/{{}}/secrets/{name}")
    assert not site.has(LEASE)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"namespaces_list": [{"name": "other"}]}, "publisher_enabled: false makes a site without it"),
        ({"object_store_names": []}, "Neither object_store_names nor object_store_urls names a store"),
        (
            {"object_store_access_key": "ada"},
            "Of object_store_access_key and object_store_secret_key only one is given",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_changed(site: Site, variables: dict[str, Any], said: str) -> None:
    others = {"worker_enabled": False}
    if "namespaces_list" in variables:
        others["object_store_enabled"] = False
    answer = playbook("site", {**site.variables(site.admin), **others, **variables}, inventory="existing")
    assert answer.code != 0
    assert answer.changed == []
    assert said in " ".join(answer.output.split())
