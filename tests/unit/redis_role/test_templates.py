"""What the role redis applies, as Ansible renders it, and by the schemas of Kubernetes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from slipway_redis.settings import VARIABLES, from_environ

from ansible_collections.slipway.cloud.plugins.module_utils._redis_users import Held, settled
from tests.support.paths import CHECKOUT
from tests.support.role_templates import (
    check_documented,
    check_restricted,
    check_rights,
    check_schemas,
    covers,
    image,
    of,
    render,
    variable,
)

if TYPE_CHECKING:
    from pathlib import Path

ROLE = "redis"
NAMES = [*(f"redis-{number}" for number in range(3)), *(f"redis-sentinel-{number}" for number in range(3))]
ADDRESSES = {name: f"10.96.0.{number}" for number, name in enumerate(NAMES, start=10)}
GIVEN: dict[str, Any] = {
    "ansible_playbook_python": "/venv/bin/python",
    "site_kubeconfig": "kubeconfig",
    "site_context": "slipway",
    "_redis_found": {"addresses": ADDRESSES, "refusing_address": "10.1.0.1", "spread": "required", "leaving": []},
    "_redis_found_again": {},
    "_redis_asked": {"results": []},
    "_redis_before": {"results": []},
    "_redis_connected": {"results": []},
    "_redis_node": {"stdout": ""},
    "_redis_lost_found": {"stdout": "redis-1 redis-sentinel-0"},
    "_redis_log": {"stdout_lines": ["{}"]},
    "_redis_restore_from": "",
    "_redis_bound": True,
    "_redis_subjects": [{"kind": "User", "name": "ada"}],
    "_redis_claims": ["data-redis-0"],
    "_redis_job": "redis-backup",
    "_redis_arguments": ["backup"],
}
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one pod of each": {"redis_replicas": 1, "redis_sentinel_replicas": 1},
    "more of all": {"redis_replicas": 5, "redis_sentinel_replicas": 5},
    "too few nodes": {"_redis_found": {**GIVEN["_redis_found"], "spread": "preferred"}},
    "a class, nodes, a registry": {
        "redis_storage_class": "fast",
        "redis_node_selector": {"disk": "ssd"},
        "images_registry": "https://registry.example/team",
    },
}


def documents(*names: str, **variables: Any) -> list[dict[str, Any]]:
    return render(ROLE, *(names or ("redis",)), **{**GIVEN, **variables})


def sets(**variables: Any) -> dict[str, dict[str, Any]]:
    found = [each for each in documents(**variables) if each["kind"] == "StatefulSet"]
    return {each["metadata"]["name"]: each["spec"] for each in found}


def known(name: str, **variables: Any) -> Any:
    return variable(ROLE, name, **{**GIVEN, **variables})


@pytest.mark.parametrize("variables", VARIANTS.values(), ids=VARIANTS)
def test_documents_fit_the_schemas(variables: dict[str, Any]) -> None:
    check_schemas(documents("redis", "grants", "job", **variables))


def test_pods_are_restricted() -> None:
    for name, spec in sets().items():
        pod = spec["template"]["spec"]
        check_restricted(pod)
        assert pod["containers"][0]["image"] == image(ROLE)
        assert pod["automountServiceAccountToken"] is (name == "redis")
        assert "cpu" not in pod["containers"][0]["resources"]["limits"]
    [job] = documents("job")
    check_restricted(job["spec"]["template"]["spec"])


def test_no_password_is_an_argument_or_in_the_environment() -> None:
    for each in [*sets().values(), documents("job")[0]["spec"]]:
        [container] = each["template"]["spec"]["containers"]
        sources = [part for variable in container["env"] for part in variable.get("valueFrom", {})]
        assert "secretKeyRef" not in sources
        assert "envFrom" not in container


def test_each_pod_has_an_address_that_is_told_to_all() -> None:
    services = {each["metadata"]["name"]: each["spec"] for each in documents() if each["kind"] == "Service"}
    for name in NAMES:
        assert services[name]["selector"] == {"statefulset.kubernetes.io/pod-name": name}
        assert services[name]["publishNotReadyAddresses"] is True
        assert services[name]["ports"][1]["port"] == 9121
    nodes = json.loads(known("_redis_nodes"))
    assert nodes["data"] == [{"name": name, "ip": ADDRESSES[name], "port": 6379} for name in NAMES[:3]]
    assert nodes["sentinels"] == [{"name": name, "ip": ADDRESSES[name], "port": 26379} for name in NAMES[3:]]
    assert (nodes["master_name"], nodes["quorum"]) == ("redis-redis", 2)
    assert "selector" not in services["redis-master"]
    written = (CHECKOUT / "roles/redis/files/slipway_redis/master_service.py").read_text()
    [port] = services["redis-master"]["ports"]
    assert f'"ports": [{{"name": "{port["name"]}"' in written  # else nothing gets through


def test_who_asks_for_a_pod_that_is_not_there_is_refused() -> None:
    services = {each["metadata"]["name"]: each for each in documents() if each["kind"] == "Service"}
    slices = [each for each in documents() if each["kind"] == "EndpointSlice"]
    assert [each["metadata"]["labels"]["kubernetes.io/service-name"] for each in slices] == NAMES
    for name, each in zip(NAMES, slices, strict=True):
        assert [port["name"] for port in each["ports"]] == [port["name"] for port in services[name]["spec"]["ports"]]
        [endpoint] = each["endpoints"]
        assert endpoint["addresses"] == ["10.1.0.1"]
        assert endpoint["conditions"] == {"ready": False, "serving": True, "terminating": True}  # the last to be used
    six = [each for each in documents(_redis_refusing_address="fd00::1") if each["kind"] == "EndpointSlice"]
    assert {each["addressType"] for each in six} == {"IPv6"}
    assert not [each for each in documents(_redis_refusing_address="") if each["kind"] == "EndpointSlice"]


def test_sets() -> None:
    for name, spec in sets().items():
        assert spec["podManagementPolicy"] == "Parallel"
        assert spec["serviceName"] == name
        affinity = spec["template"]["spec"]["affinity"]["podAntiAffinity"]
        [term] = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["labelSelector"]["matchLabels"] == spec["selector"]["matchLabels"]
        probes = {
            probe: spec["template"]["spec"]["containers"][0][probe]["httpGet"]["path"]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert probes == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    loose = sets(**VARIANTS["too few nodes"])["redis"]["template"]["spec"]["affinity"]["podAntiAffinity"]
    assert list(loose) == ["preferredDuringSchedulingIgnoredDuringExecution"]
    data = sets()["redis"]["template"]["spec"]
    assert data["terminationGracePeriodSeconds"] > 20 + 10  # to hand over, and to write
    first = [each["name"] for each in data["containers"][0]["env"] if "configMapKeyRef" in each.get("valueFrom", {})]
    assert first == ["SLIPWAY_BOOTSTRAP", "SLIPWAY_FORCE_MASTER"]


@pytest.mark.parametrize(("name", "kind"), [("redis", "data"), ("redis-sentinel", "sentinels")])
def test_the_agent_takes_its_settings(name: str, kind: str, tmp_path: Path) -> None:
    [container] = sets()[name]["template"]["spec"]["containers"]
    given = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    assert {each["name"] for each in container["env"]} <= {each.name for each in VARIABLES.values()}
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    assert {given["SLIPWAY_SECRETS_DIR"], given["SLIPWAY_CONFIG_DIR"], given["SLIPWAY_DATA_DIR"]} <= mounted
    assert given["SLIPWAY_NODES_FILE"] == "/etc/slipway/nodes/nodes.json"
    (tmp_path / "nodes.json").write_text(known("_redis_nodes"))
    wanted = settled(Held({}, {}, {}), user="app", given="", phase="keep", make=lambda: "made up")
    for file, text in wanted.internal.items():
        (tmp_path / file).write_text(text)
    here = {"SLIPWAY_NODES_FILE": str(tmp_path / "nodes.json"), "SLIPWAY_SECRETS_DIR": str(tmp_path)}
    settings = from_environ({**given, **here, "SLIPWAY_POD": f"{name}-0", "SLIPWAY_POD_IP": "10.1.2.3"}, kind)
    assert (settings.port, settings.handover, settings.start, settings.bootstrap) == (9121, True, "safe", False)
    assert [each.name for each in settings.cluster().data] == NAMES[:3]


def test_the_jobs_take_their_settings() -> None:
    [job] = documents("job")
    [container] = job["spec"]["template"]["spec"]["containers"]
    names = {each["name"] for each in container["env"]}
    read = re.findall(r'Variable\(\s*"(\w+)"', (CHECKOUT / "roles/redis/files/slipway_redis/backup.py").read_text())
    assert names == set(read)


@pytest.mark.parametrize(
    ("variables", "restarted"),
    [
        ({"redis_maxmemory": "1gb"}, {"redis"}),
        ({"redis_replicas": 5, "redis_min_replicas_to_write": 1}, {"redis-sentinel"}),
        ({"redis_quorum": 3}, {"redis-sentinel"}),
        ({"redis_size": "3Gi"}, set()),
        ({"redis_cold_start_wait": 60}, {"redis", "redis-sentinel"}),
    ],
)
def test_what_restarts_pods(variables: dict[str, Any], restarted: set[str]) -> None:
    before, after = sets(), sets(**variables)
    assert {name for name in before if before[name]["template"] != after[name]["template"]} == restarted


def test_configuration() -> None:
    lines = known("_redis_configuration").splitlines()
    settings = dict(line.split(maxsplit=1) for line in lines if not line.startswith("#"))
    assert (
        settings.items()
        >= {
            "appendonly": "yes",
            "min-replicas-to-write": "1",
            "min-replicas-max-lag": "3",
            "repl-diskless-sync-delay": "0",
            "replica-serve-stale-data": "no",
            "maxmemory-policy": "noeviction",
        }.items()
    )
    alone = known("_redis_configuration", redis_replicas=1)
    assert "min-replicas-to-write 0\n" in alone


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({}, ""),
        ({"redis_replicas": 0}, "redis_replicas"),
        ({"redis_replicas": 1, "redis_sentinel_replicas": 1}, ""),
        ({"redis_sentinel_replicas": 2}, "redis_sentinel_replicas"),
        ({"redis_sentinel_replicas": 4}, "redis_sentinel_replicas"),
        ({"redis_sentinel_replicas": 5, "redis_quorum": 2}, ""),
        ({"redis_quorum": 4}, "redis_quorum"),
        ({"redis_quorum": -1}, "redis_quorum"),
        ({"redis_min_replicas_to_write": 3}, "redis_min_replicas_to_write"),
        ({"redis_appendfsync": "no"}, "redis_appendfsync"),
        ({"redis_down_after": 500}, "redis_down_after"),
        ({"redis_user": "agent"}, "redis_user"),
        ({"redis_password": "short"}, "redis_password"),
        ({"redis_password": " "}, "redis_password"),
        ({"redis_password": "aaaaaaaaaaaaaaaaaaaa"}, "redis_password"),
        ({"redis_password": 'it\'s "open" sesame'}, ""),
    ],
)
def test_what_is_refused(variables: dict[str, Any], refused: str) -> None:
    demands = known("_redis_demands", **variables)
    assert [each["about"] for each in demands if not each["that"]] == ([refused] if refused else [])


def test_rights() -> None:
    rules = of("Role", documents("role"))["rules"]
    check_rights(rules)
    granted = of("Role", documents("grants"))["rules"]
    check_rights(granted)
    unnamed = [{**rule, "resourceNames": None} for rule in rules]
    assert all(covers(granted, rule) for rule in unnamed)  # else the API server would refuse to make the Role


def test_defaults_are_documented() -> None:
    check_documented(ROLE, "redis_master_name", "redis_min_replicas_to_write", "redis_pull_secret", "redis_clients")
