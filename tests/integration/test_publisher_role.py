"""The role publisher by itself against an API server: stores of others, a namespace of its own, what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import playbook
from tests.support.role_site import DEPLOYMENT, RoleSite

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

ROLES = ("publisher",)
PUBLISHER = DEPLOYMENT.format("publisher")
BUDGET = "/apis/policy/v1/namespaces/{}/poddisruptionbudgets/publisher"
TEMPLATE = "/api/v1/namespaces/{}/configmaps/publisher-template"
SECRET_KEY = "open sesame"
TARGET = {
    "name": "theirs",
    "url": "https://s3.example",
    "bucket": "pods",
    "key": "ada",
    "secret": SECRET_KEY,
    "privilege": "public-read",
    "region": "eu-west-1",
    "create": False,
}


@pytest.fixture
def site(api: ApiServer, tmp_path: Path) -> RoleSite:
    return RoleSite(api, tmp_path, ROLES)


def alone(site: RoleSite, **more: Any) -> dict[str, Any]:
    """A site with no stores of its own: the Secret with their credentials is beside the publisher."""
    return {"object_store_namespace": site.namespace, "publisher_targets": [TARGET], **more}


def test_stores_of_others_by_one_who_was_granted_no_more_than_needed(site: RoleSite) -> None:
    given = alone(site)
    site.grant(**given)
    first = site.install(site.user, "--diff", "-v", **given)
    again = site.install(site.user, "--diff", "-v", **given)
    assert again.changed == [], again.output
    assert SECRET_KEY not in first.output + again.output
    assert json.loads(site.held("publisher-targets")["targets.json"]) == [TARGET]

    site.remove(site.user, **given)
    assert "deletionTimestamp" in site.get(PUBLISHER)["metadata"]  # no controller is here to let it go
    assert not site.has("/api/v1/namespaces/{}/secrets/publisher-targets")


def test_another_key_or_page_restarts_it(site: RoleSite) -> None:
    site.install(site.admin, **alone(site))
    generation = site.get(PUBLISHER)["metadata"]["generation"]
    site.install(site.admin, **alone(site, publisher_targets=[{**TARGET, "secret": "another"}]))
    assert site.get(PUBLISHER)["metadata"]["generation"] == generation + 1
    page = {"publisher_targets": [{**TARGET, "secret": "another"}], "publisher_template": "{{ '{{' }} generation }}"}
    site.install(site.admin, **alone(site, **page))
    assert site.get(PUBLISHER)["metadata"]["generation"] == generation + 2
    assert site.get(TEMPLATE)["data"]["index.template"] == "{{ generation }}"


def test_one_replica_needs_no_budget(site: RoleSite) -> None:
    site.install(site.admin, **alone(site))
    assert site.has(BUDGET)
    site.install(site.admin, **alone(site, publisher_replicas=1))
    assert not site.has(BUDGET)
    assert site.get(PUBLISHER)["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"publisher_targets": []}, "publisher_targets must be stores with the url of each"),
        ({"publisher_targets": [{**TARGET, "url": "s3.example"}]}, "they are ['s3.example']"),
        ({"publisher_targets": [TARGET, TARGET]}, "needs a name of its own; they are theirs, theirs"),
        ({"publisher_targets": [{"name": "theirs"}]}, "url"),
    ],
)
def test_bad_input_is_refused_before_anything_is_changed(site: RoleSite, variables: dict[str, Any], said: str) -> None:
    given = {**site.variables(site.admin), "worker_enabled": False, **variables}
    answer = playbook("site", given, inventory="existing")
    assert answer.code != 0
    assert answer.changed == []
    assert said in " ".join(answer.output.split())
    assert SECRET_KEY not in answer.output
