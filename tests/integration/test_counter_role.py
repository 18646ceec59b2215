"""The role counter against an API server: by an admin, and by one who has no more than an admin granted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import playbook
from tests.support.role_site import DEPLOYMENT, RoleSite
from tests.support.role_templates import image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

COUNTER = DEPLOYMENT.format("counter")
SERVICE = "/api/v1/namespaces/{}/services/counter"
BUDGET = "/apis/policy/v1/namespaces/{}/poddisruptionbudgets/counter"
OTHER = {"counter_image": "registry.example/app:1", "redis_user": "default"}


@pytest.fixture
def site(api: ApiServer, tmp_path: Path) -> RoleSite:
    return RoleSite(api, tmp_path, ("counter",), beside=("redis",))


def container(site: RoleSite) -> dict[str, Any]:
    """The container of the Deployment."""
    [found] = site.get(COUNTER)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_by_an_admin(site: RoleSite) -> None:
    site.install(site.admin)
    again = site.install(site.admin, "--diff")
    assert again.changed == [], again.output
    assert container(site)["image"] == image("counter")
    assert site.get(COUNTER)["spec"]["replicas"] == 2
    assert site.get(SERVICE)["spec"]["ports"][0]["port"] == 80
    assert site.has(BUDGET)

    site.install(site.admin, counter_replicas=1, counter_port=8080, counter_via="master")
    assert site.get(COUNTER)["spec"]["replicas"] == 1
    assert site.get(SERVICE)["spec"]["ports"][0]["port"] == 8080
    assert {"name": "COUNTER_REDIS", "value": "redis-master:6379"} in container(site)["env"]
    assert not site.has(BUDGET)


def test_another_app_in_its_place(site: RoleSite) -> None:
    site.install(site.admin)
    site.install(site.admin, **OTHER, counter_environment={"PORT": 8080})
    assert site.install(site.admin, **OTHER, counter_environment={"PORT": 8080}).changed == []
    found = container(site)
    assert found["image"] == OTHER["counter_image"]
    assert {each["name"] for each in found["env"]} == {"REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "PORT"}
    assert [each["name"] for each in found["volumeMounts"]] == ["tmp"]


def test_by_one_who_was_granted_no_more_than_needed(site: RoleSite) -> None:
    site.grant()
    site.install(site.user, "--check")
    assert not site.has(COUNTER)
    site.install(site.user)
    assert site.install(site.user).changed == []
    assert container(site)["image"] == image("counter")

    site.remove(site.user)
    assert "deletionTimestamp" in site.get(COUNTER)["metadata"]  # no controller lets it go here
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
def test_bad_input_is_refused_before_anything_is_changed(site: RoleSite, variables: dict[str, Any], said: str) -> None:
    answer = playbook("site", site.variables(site.admin, **variables), inventory="existing")
    assert answer.code != 0
    assert answer.changed == []
    assert said in " ".join(answer.output.split()), answer.output
