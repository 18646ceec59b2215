"""The role nginx_pool against an API server: by an admin, and by one with no more than was granted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import playbook
from tests.support.role_site import DEPLOYMENT, RoleSite
from tests.support.role_templates import image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

ROLES = ("nginx_pool",)
POOL = DEPLOYMENT.format("nginx-pool")
SERVICE = "/api/v1/namespaces/{}/services/nginx-pool"
INGRESS = "/apis/networking.k8s.io/v1/namespaces/{}/ingresses/nginx-pool"
SCALER = "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers/nginx-pool"
BUDGET = "/apis/policy/v1/namespaces/{}/poddisruptionbudgets/nginx-pool"
CONFIGURATION = "/api/v1/namespaces/{}/configmaps/nginx-pool"
PAGE = {"nginx_pool_ingress_hosts": ["pods.example"], "nginx_pool_ingress_class": "traefik"}


@pytest.fixture
def site(api: ApiServer, tmp_path: Path) -> RoleSite:
    return RoleSite(api, tmp_path, ROLES)


def test_by_an_admin(site: RoleSite) -> None:
    site.install(site.admin, "--diff")
    again = site.install(site.admin, "--diff")

    assert again.changed == [], again.output
    assert site.rights("nginx-pool") == set()
    pod = site.get(POOL)["spec"]["template"]["spec"]
    assert [each["image"] for each in pod["containers"]] == [image("nginx_pool")]
    assert pod["automountServiceAccountToken"] is False
    assert site.get(SERVICE)["spec"]["type"] == "LoadBalancer"
    assert not site.has(INGRESS)


def test_who_scales_it_is_not_overruled(site: RoleSite) -> None:
    site.install(site.admin)
    scale = site.get(f"{POOL}/scale")
    site.api.request("PUT", f"{POOL}/scale".format(site.namespace), {**scale, "spec": {"replicas": 7}})
    assert site.install(site.admin).changed == []
    assert site.get(POOL)["spec"]["replicas"] == 7

    site.install(site.admin, nginx_pool_autoscale=False, nginx_pool_min_replicas=3)
    assert site.get(POOL)["spec"]["replicas"] == 3
    assert not site.has(SCALER)


def test_an_ingress_comes_and_goes(site: RoleSite) -> None:
    site.install(site.admin, **PAGE, nginx_pool_ingress_tls_secret="pods-tls")
    spec = site.get(INGRESS)["spec"]
    assert spec["ingressClassName"] == "traefik"
    assert spec["tls"] == [{"hosts": ["pods.example"], "secretName": "pods-tls"}]
    [rule] = spec["rules"]
    [path] = rule["http"]["paths"]
    assert (rule["host"], path["backend"]) == (
        "pods.example",
        {"service": {"name": "nginx-pool", "port": {"name": "http"}}},
    )
    site.install(site.admin)
    assert not site.has(INGRESS)


def test_another_configuration_restarts_its_pods(site: RoleSite) -> None:
    site.install(site.admin)
    before = site.get(POOL)["metadata"]["generation"]
    site.install(site.admin, nginx_pool_targets=["https://s3.example/podlister"])
    assert "https://s3.example/podlister" in site.get(CONFIGURATION)["data"]["nginx.conf"]
    assert site.get(POOL)["metadata"]["generation"] == before + 1


def test_by_one_who_was_granted_no_more_than_needed(site: RoleSite) -> None:
    site.grant()
    site.install(site.user, "--check", **PAGE)
    assert not site.has(POOL)
    site.install(site.user, **PAGE)
    assert site.install(site.user, **PAGE).changed == []

    site.remove(site.user)
    assert "deletionTimestamp" in site.get(POOL)["metadata"]  # no controller is here to let it go
    assert [path for path in (SERVICE, INGRESS, SCALER, BUDGET, CONFIGURATION) if site.has(path)] == []


def test_what_others_have_under_its_name_is_refused(site: RoleSite) -> None:
    site.grant()
    theirs = {"metadata": {"name": "nginx-pool"}, "spec": {"ports": [{"port": 80}]}}
    site.api.request("POST", SERVICE.format(site.namespace).removesuffix("/nginx-pool"), theirs)
    with pytest.raises(AssertionError, match="nginx-pool"):
        site.install(site.user)
    assert not site.has(POOL)
    site.remove(site.user)
    assert site.has(SERVICE)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"namespaces_list": [{"name": "other"}]}, "nginx_pool_enabled: false makes a site without it"),
        (
            {"nginx_pool_min_replicas": 3, "nginx_pool_max_replicas": 2},
            "nginx_pool_min_replicas is 3, which is more than",
        ),
        ({"nginx_pool_targets": []}, "nginx_pool_targets must be URLs of buckets"),
        ({"nginx_pool_targets": ["s3.example/podlister"]}, "nginx_pool_targets must be URLs of buckets"),
        ({"nginx_pool_ingress_tls_secret": "pods-tls"}, "nginx_pool_ingress_hosts names no host for it"),
    ],
)
def test_bad_input_is_refused_before_anything_is_changed(site: RoleSite, variables: dict[str, Any], said: str) -> None:
    given = {**site.variables(site.admin), **variables}
    answer = playbook("site", given, inventory="existing")
    assert answer.code != 0
    assert answer.changed == []
    assert said in " ".join(answer.output.split())
