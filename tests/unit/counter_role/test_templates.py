"""What the role counter applies, as Ansible renders it, and by the schemas of Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest
from slipway_counter.settings import Address, from_environ

from tests.support.role_templates import (
    check_documented,
    check_restricted,
    check_rights,
    check_schemas,
    image,
    of,
    render,
    variable,
)

ROLE = "counter"
OTHER = {"counter_image": "registry.example/app:1", "redis_user": "default"}
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one replica, in a team's namespace": {"counter_replicas": 1, "counter_namespace": "team"},
    "through the Service of the master": {"counter_via": "master"},
    "within the Kubernetes": {"counter_service_type": "ClusterIP", "counter_port": 8080},
    "nodes and a registry": {
        "counter_node_selector": {"disk": "ssd"},
        "images_registry": "https://registry.example/team",
    },
    "another app": {**OTHER, "counter_environment": {"PORT": 8080, "REDIS_DB": 0}},
    "another app with a probe": {**OTHER, "counter_image_probe": "/ping"},
}


@pytest.mark.parametrize("variables", VARIANTS.values(), ids=VARIANTS)
def test_documents_fit_the_schemas(variables: dict[str, Any]) -> None:
    check_schemas(render(ROLE, "counter", **variables))
    check_schemas(render(ROLE, "grants", _counter_subjects=[{"kind": "User", "name": "ada"}], **variables))


def deployment(**variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = of("Deployment", render(ROLE, "counter", **variables))["spec"]
    return found


def pod(**variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = deployment(**variables)["template"]["spec"]
    return found


def environment(**variables: Any) -> dict[str, Any]:
    [container] = pod(**variables)["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


@pytest.mark.parametrize("variables", VARIANTS.values(), ids=VARIANTS)
def test_pods_are_restricted_and_have_no_token(variables: dict[str, Any]) -> None:
    spec = pod(**variables)
    check_restricted(spec)
    assert spec["automountServiceAccountToken"] is False
    assert spec["containers"][0]["image"] == variables.get("counter_image", image(ROLE))


def test_the_program_takes_its_settings() -> None:
    settings = from_environ(environment())
    mounts = {each["name"]: each["mountPath"] for each in pod()["containers"][0]["volumeMounts"]}
    assert str(settings.credentials) == mounts["credentials"]
    assert str(settings.nodes_file) == f"{mounts['nodes']}/nodes.json"
    assert (settings.wait_replicas, settings.wait_ms, settings.key_seconds) == (1, 1000, 3600)
    assert {each["name"]: each["containerPort"] for each in pod()["containers"][0]["ports"]} == {
        "http": settings.port,
        "metrics": settings.metrics_port,
    }
    through = from_environ(environment(counter_via="master"))
    assert (through.redis, through.nodes_file) == (Address("redis-master", 6379), None)
    assert [each["name"] for each in pod(counter_via="master")["volumes"]] == ["credentials", "tmp"]


@pytest.mark.parametrize(("replicas", "expected"), [(1, 0), (2, 1), (3, 1), (5, 1)])
def test_one_replica_is_waited_for_where_there_are_any(replicas: int, expected: int) -> None:
    assert variable(ROLE, "counter_wait_replicas", redis_replicas=replicas) == expected


def test_the_password_is_in_no_environment_of_its_own_program() -> None:
    assert all(isinstance(value, str) for value in environment().values())
    [credentials] = [each for each in pod()["volumes"] if each["name"] == "credentials"]
    assert credentials["secret"] == {"secretName": "redis", "defaultMode": 0o440}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"counter_environment": {"PORT": 8080, "REDIS_DB": 0}},  # as the app of the seed has it
            {
                "REDIS_HOST": "redis-master",
                "REDIS_PORT": "6379",
                "REDIS_PASSWORD": {"secretKeyRef": {"name": "redis", "key": "password"}},
                "PORT": "8080",
                "REDIS_DB": "0",
            },
        ),
        (
            {
                "counter_address_variable": "REDIS_ADDR",
                "counter_host_variable": "",
                "counter_port_variable": "",
                "counter_username_variable": "REDIS_USER",
                "counter_password_variable": "REDIS_PASS",
            },
            {
                "REDIS_ADDR": "redis-master:6379",
                "REDIS_USER": {"secretKeyRef": {"name": "redis", "key": "username"}},
                "REDIS_PASS": {"secretKeyRef": {"name": "redis", "key": "password"}},
            },
        ),
    ],
)
def test_another_app_is_told_by_its_own_names(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    assert environment(**OTHER, **variables) == expected


def test_health_does_not_ask_redis() -> None:
    [container] = pod()["containers"]
    probes = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    assert probes == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    [other] = pod(**OTHER, counter_image_port=9000, counter_image_probe="/ping")["containers"]
    assert other["livenessProbe"]["tcpSocket"] == {"port": "http"}
    assert other["readinessProbe"]["httpGet"] == {"path": "/ping", "port": "http"}
    assert other["ports"] == [{"name": "http", "containerPort": 9000}]


def test_there_is_time_to_stop() -> None:
    assert pod(counter_linger=7, counter_patience=20)["terminationGracePeriodSeconds"] > 7 + 20 + 3 + 1
    assert "lifecycle" not in pod()["containers"][0]
    [other] = pod(**OTHER, counter_linger=7)["containers"]
    assert other["lifecycle"]["preStop"] == {"sleep": {"seconds": 7}}


def test_replicas() -> None:
    assert deployment()["replicas"] == 2
    assert {each["kind"] for each in render(ROLE, "counter")} == {
        "ServiceAccount",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
    }
    assert "PodDisruptionBudget" not in {each["kind"] for each in render(ROLE, "counter", counter_replicas=1)}
    service = of("Service", render(ROLE, "counter"))["spec"]
    assert (service["type"], service["ports"]) == (
        "LoadBalancer",
        [{"name": "http", "port": 80, "targetPort": "http"}],
    )


DEMANDS = [
    ({}, []),
    ({"redis_enabled": False}, ["counter counts in the Redis of the role redis"]),
    ({"counter_replicas": 0}, ["give 1, or better 2"]),
    ({"redis_replicas": 1}, []),
    ({"redis_replicas": 1, "counter_wait_replicas": 1}, ["nothing would ever be counted"]),
    ({"counter_wait_replicas": 2}, []),
    (OTHER, []),
    ({**OTHER, "redis_user": "app"}, ["give redis_user default"]),
    ({**OTHER, "redis_user": "app", "counter_username_variable": "USER"}, []),
]


@pytest.mark.parametrize(("variables", "refused"), DEMANDS)
def test_demands(variables: dict[str, Any], refused: list[str]) -> None:
    found = [each["otherwise"] for each in variable(ROLE, "_counter_demands", **variables) if not each["that"]]
    assert [text in said for text, said in zip(refused, found, strict=True)] == [True] * len(refused)


def test_rights() -> None:
    check_rights(of("Role", render(ROLE, "grants", _counter_subjects=[]))["rules"])


def test_defaults_are_documented() -> None:
    check_documented(ROLE, "counter_namespace", "counter_pull_secret", "counter_wait_replicas")
