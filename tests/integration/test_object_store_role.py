"""The roles object_store and publisher against an API server: by an admin, and by one with no more than was granted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import playbook
from tests.support.paths import CHECKOUT
from tests.support.role_site import DEPLOYMENT, RoleSite, with_only
from tests.support.role_templates import image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

SECRET_KEY = "open sesame"
ROLES = ("object_store", "publisher")
TWO = {"object_store_names": ["object-store-0", "object-store-1"]}

# Everything that the publisher may do, beside what anybody may: see docs/security.md.
RIGHTS = {
    ("endpointslices.discovery.k8s.io", "", "list watch"),
    ("services", "nginx-pool", "get"),
    ("leases.coordination.k8s.io", "", "create"),
    ("leases.coordination.k8s.io", "publisher", "get update"),
}


@pytest.fixture
def site(api: ApiServer, tmp_path: Path) -> RoleSite:
    return RoleSite(api, tmp_path, ROLES)


CLAIM = "/api/v1/namespaces/{{}}/persistentvolumeclaims/{}"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/publisher"


def test_by_an_admin(site: RoleSite) -> None:
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
    assert site.rights("publisher") == RIGHTS
    page = (CHECKOUT / "roles/publisher/templates/index.template").read_text()
    shipped = site.get("/api/v1/namespaces/{}/configmaps/publisher-template")["data"]["index.template"]
    assert shipped.rstrip() == page.rstrip()


def test_given_credentials_restart_those_who_use_them(site: RoleSite) -> None:
    site.install(site.admin, **TWO)
    before = [site.get(DEPLOYMENT.format(name))["metadata"]["generation"] for name in ("object-store-1", "publisher")]
    given = {"object_store_access_key": "ada", "object_store_secret_key": SECRET_KEY}
    answer = site.install(site.admin, "--diff", "-v", **TWO, **given)
    assert SECRET_KEY not in answer.output
    assert site.held("object-store") == {"access_key": "ada", "secret_key": SECRET_KEY}
    assert {each["secret"] for each in json.loads(site.held("publisher-targets")["targets.json"])} == {SECRET_KEY}
    after = [site.get(DEPLOYMENT.format(name))["metadata"]["generation"] for name in ("object-store-1", "publisher")]
    assert after == [generation + 1 for generation in before]


def test_what_is_written_to_the_lease_stays(site: RoleSite) -> None:
    site.install(site.admin)
    lease = site.get(LEASE)
    held = {"holderIdentity": "publisher-0", "leaseDurationSeconds": 9}
    lease["metadata"].setdefault("annotations", {})["slipway.dev/generation"] = "41"
    site.api.request("PUT", LEASE.format(site.namespace), {**lease, "spec": held})
    assert site.install(site.admin).changed == []
    kept = site.get(LEASE)
    assert (kept["spec"], kept["metadata"]["annotations"]["slipway.dev/generation"]) == (held, "41")


def test_a_store_that_is_no_longer_wanted_keeps_its_volume(site: RoleSite) -> None:
    site.install(site.admin, **TWO)
    site.install(site.admin)
    gone = site.get("/apis/apps/v1/namespaces/{}/deployments")["items"]
    names = [each["metadata"]["name"] for each in gone if "deletionTimestamp" not in each["metadata"]]
    assert sorted(names) == ["object-store-0", "publisher"]
    assert site.has(CLAIM.format("object-store-1"))


def test_stores_of_others(site: RoleSite) -> None:
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


def test_by_one_who_was_granted_no_more_than_needed(site: RoleSite) -> None:
    site.grant()
    site.install(site.user, "--check")
    assert not site.has(DEPLOYMENT.format("publisher"))
    site.install(site.user)
    assert site.install(site.user).changed == []
    container = site.get(DEPLOYMENT.format("publisher"))["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == image("publisher")

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
def test_bad_input_is_refused_before_anything_is_changed(site: RoleSite, variables: dict[str, Any], said: str) -> None:
    roles = ("publisher",) if "namespaces_list" in variables else site.roles
    answer = playbook("site", {**site.variables(site.admin), **with_only(*roles), **variables}, inventory="existing")
    assert answer.code != 0
    assert answer.changed == []
    assert said in " ".join(answer.output.split())
