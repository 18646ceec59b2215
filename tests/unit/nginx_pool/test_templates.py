"""What the role nginx_pool applies, as Ansible renders it, and by the schemas of Kubernetes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from kubernetes_validate import utils as schemas

from tests.support.pool import IMAGE, ROLE, rendered

VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "as many as it says": {"nginx_pool_autoscale": False, "nginx_pool_min_replicas": 3},
    "an Ingress": {"nginx_pool_ingress_hosts": ["pods.example"], "nginx_pool_ingress_class": "traefik"},
    "an Ingress with TLS": {"nginx_pool_ingress_hosts": ["a.example"], "nginx_pool_ingress_tls_secret": "pods-tls"},
    "within the Kubernetes": {"nginx_pool_service_type": "ClusterIP", "nginx_pool_port": 8000},
    "registry": {"images_registry": "https://registry.example/team"},
    "some nodes": {"nginx_pool_node_selector": {"pool": "yes"}},
}
TARGETS = {
    "default": ({}, ["http://object-store-0.slipway.svc.cluster.local:7070/podlister"]),
    "two": (
        {"object_store_names": ["a", "b"], "object_store_namespace": "s", "publisher_bucket": "b"},
        ["http://a.s.svc.cluster.local:7070/b", "http://b.s.svc.cluster.local:7070/b"],
    ),
    "elsewhere": ({"object_store_urls": ["https://s3.example/"]}, ["https://s3.example/podlister"]),
    "own": ({"nginx_pool_targets": ["http://x.y.svc:1/z/"]}, ["http://x.y.svc.cluster.local:1/z"]),
    "domain": ({"nginx_pool_domain": "k.test"}, ["http://object-store-0.slipway.svc.k.test:7070/podlister"]),
}

Document = dict[str, Any]


def documents(**variables: Any) -> dict[str, Document]:
    """What is applied, by kind."""
    found = [each for each in yaml.safe_load_all(rendered("nginx-pool.yaml.j2", **variables)) if each]
    assert len({each["kind"] for each in found}) == len(found)
    return {each["kind"]: each for each in found}


def pod(**variables: Any) -> Document:
    spec: Document = documents(**variables)["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("variables", VARIANTS.values(), ids=VARIANTS)
def test_documents_fit_the_schemas(variables: dict[str, Any]) -> None:
    for document in documents(**variables).values():
        schemas.validate(document, schemas.latest_version(), strict=True)


def test_pods_are_restricted_and_have_no_token() -> None:
    spec = pod()
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    [container] = spec["containers"]
    assert container["image"] == IMAGE
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {kind for volume in spec["volumes"] for kind in volume} == {"name", "configMap", "emptyDir"}


def test_their_number_is_left_to_the_load() -> None:
    found = documents()
    assert "replicas" not in found["Deployment"]["spec"]
    scaler = found["HorizontalPodAutoscaler"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 30)
    assert scaler["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 25}
    assert pod()["containers"][0]["resources"]["requests"]["cpu"] == "100m"
    fixed = documents(**VARIANTS["as many as it says"])
    assert fixed["Deployment"]["spec"]["replicas"] == 3
    assert "HorizontalPodAutoscaler" not in fixed


def test_health_is_that_of_the_pod_alone() -> None:
    [container] = pod()["containers"]
    paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"/healthz"}


def test_there_is_time_to_stop() -> None:
    spec = pod(nginx_pool_linger=7, nginx_pool_drain=20)
    assert spec["containers"][0]["lifecycle"]["preStop"] == {"sleep": {"seconds": 7}}
    assert spec["terminationGracePeriodSeconds"] > 7 + 20


def test_a_changed_configuration_is_rolled_out() -> None:
    first, second = (documents(nginx_pool_workers=count)["Deployment"] for count in (2, 3))
    assert first["spec"]["template"]["metadata"]["annotations"] != second["spec"]["template"]["metadata"]["annotations"]


@pytest.mark.parametrize(("variables", "expected"), TARGETS.values(), ids=TARGETS)
def test_targets(variables: dict[str, Any], expected: list[str]) -> None:
    text = rendered("nginx.conf.j2", **variables)
    assert re.findall(r'set \$target "(.*)";', text) == expected
    servers = re.findall(r"server unix:/tmp/nginx/target-\d+\.sock max_fails=1 fail_timeout=2s( backup)?;", text)
    assert servers == [""] + [" backup"] * (len(expected) - 1)


def test_defaults_are_documented() -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    for entry in specs.values():
        documented = {name: option["default"] for name, option in entry["options"].items() if "default" in option}
        assert defaults.keys() == entry["options"].keys()
        assert {name: defaults[name] for name in documented} == documented
    assert defaults.keys() - documented.keys() == {"nginx_pool_pull_secret", "nginx_pool_targets"}
    assert specs.keys() <= {path.stem for path in (ROLE / "tasks").glob("*.yml")}
