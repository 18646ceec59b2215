"""The role redis against an API server: by an admin, and by one with no more than was granted."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import module, playbook
from tests.support.role_site import RoleSite
from tests.support.role_templates import image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

PASSWORD = 'it\'s "open" sesame'

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


SET = "/apis/apps/v1/namespaces/{{}}/statefulsets/{}"
MAP = "/api/v1/namespaces/{{}}/configmaps/{}"
SERVICE = "/api/v1/namespaces/{{}}/services/{}"


@pytest.fixture
def site(api: ApiServer, tmp_path: Path) -> RoleSite:
    if not api.has(f"{CLASSES}/local-path"):
        api.request("POST", CLASSES, CLASS)
    return RoleSite(api, tmp_path, ("redis",))


def test_by_an_admin(site: RoleSite) -> None:
    first = site.install(site.admin, "--diff", "-vv")
    made = {name: site.held(name) for name in ("redis", "redis-acl")}
    again = site.install(site.admin, "--diff", "-vv")

    assert again.changed == [], again.output
    assert {name: site.held(name) for name in ("redis", "redis-acl")} == made
    secrets = [made["redis"]["password"], *(made["redis-acl"][name] for name in ("agent", "replica", "sentinel"))]
    for value in secrets:
        assert len(value) == 32
        assert value not in first.output + again.output
        assert value not in made["redis-acl"]["users.acl"] + made["redis-acl"]["sentinel.acl"]
    assert site.rights("redis") == RIGHTS

    nodes = json.loads(site.get(MAP.format("redis-nodes"))["data"]["nodes.json"])
    names = [*(f"redis-{number}" for number in range(3)), *(f"redis-sentinel-{number}" for number in range(3))]
    given = {each["name"]: each["ip"] for each in nodes["data"] + nodes["sentinels"]}
    assert given == {name: site.get(SERVICE.format(name))["spec"]["clusterIP"] for name in names}
    assert site.get(MAP.format("redis-bootstrap"))["data"] == {"bootstrap": "true"}
    assert "selector" not in site.get(SERVICE.format("redis-master"))["spec"]


def test_by_one_who_was_granted_no_more_than_needed(site: RoleSite) -> None:
    site.grant()
    site.install(site.user, "--check")
    assert not site.has(SET.format("redis"))
    site.install(site.user)
    assert site.install(site.user).changed == []
    spec = site.get(SET.format("redis"))["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == image("redis")
    assert "preferredDuringSchedulingIgnoredDuringExecution" in spec["affinity"]["podAntiAffinity"]  # nodes are hidden

    claim = site.get(SET.format("redis"))["spec"]["volumeClaimTemplates"][0]
    claim = {**claim, "metadata": {**claim["metadata"], "name": "data-redis-0"}}  # as its controller makes them
    site.api.request("POST", f"/api/v1/namespaces/{site.namespace}/persistentvolumeclaims", claim)
    site.remove(site.user)
    assert "deletionTimestamp" in site.get(SET.format("redis"))["metadata"]  # no controller lets it go here
    for name in ("redis", "redis-acl"):
        assert not site.has(f"/api/v1/namespaces/{{}}/secrets/{name}")
    for name in ("redis-bootstrap", "redis-nodes"):
        assert not site.has(MAP.format(name))
    [claim] = site.get("/api/v1/namespaces/{}/persistentvolumeclaims")["items"]
    assert "deletionTimestamp" in claim["metadata"]


def test_a_password_with_quotes_and_spaces(site: RoleSite) -> None:
    answer = site.install(site.admin, "--diff", "-vv", redis_password=PASSWORD)
    assert site.held("redis") == {"username": "app", "password": PASSWORD}
    for text in (PASSWORD, "sesame"):
        assert text not in answer.output
    assert site.install(site.admin, redis_password="").changed == []
    refused = site.try_to_install(site.admin, redis_password="another good password")
    assert refused.code != 0
    assert refused.changed == []
    assert "playbooks/rotate_redis_password.yml changes it" in " ".join(refused.output.split())
    assert "another good password" not in refused.output


def test_a_secret_of_somebody_else_is_used_and_never_written(site: RoleSite) -> None:
    site.have_namespace()
    foreign = {"metadata": {"name": "redis"}, "stringData": {"password": PASSWORD}}
    made = site.api.request("POST", f"/api/v1/namespaces/{site.namespace}/secrets", foreign)
    site.install(site.admin)
    kept = site.get("/api/v1/namespaces/{}/secrets/redis")
    assert kept["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    [line] = [each for each in site.held("redis-acl")["users.acl"].splitlines() if each.startswith("user app ")]
    assert hashlib.sha256(PASSWORD.encode()).hexdigest() in line


def test_first_start_alone_may_be_with_nothing(site: RoleSite) -> None:
    site.install(site.admin)
    site.api.request("DELETE", MAP.format("redis-bootstrap").format(site.namespace))  # as the role does in the end
    assert site.install(site.admin).changed == []
    assert not site.has(MAP.format("redis-bootstrap"))


def test_scaling(site: RoleSite) -> None:
    site.install(site.admin)
    before = {name: site.get(SET.format(name))["spec"] for name in ("redis", "redis-sentinel")}
    addresses = json.loads(site.get(MAP.format("redis-nodes"))["data"]["nodes.json"])
    site.install(site.admin, redis_replicas=5)
    after = {name: site.get(SET.format(name))["spec"] for name in ("redis", "redis-sentinel")}
    assert (before["redis"]["replicas"], after["redis"]["replicas"]) == (3, 5)
    assert before["redis"]["template"] == after["redis"]["template"]  # no data pod restarts for it
    assert before["redis-sentinel"]["template"] != after["redis-sentinel"]["template"]
    nodes = json.loads(site.get(MAP.format("redis-nodes"))["data"]["nodes.json"])
    assert nodes["data"][:3] == addresses["data"]
    assert all(each["ip"] for each in nodes["data"])

    site.install(site.admin, redis_replicas=3)
    assert site.get(SET.format("redis"))["spec"]["replicas"] == 3
    assert not site.has(SERVICE.format("redis-4"))
    assert site.install(site.admin, redis_replicas=3).changed == []


def test_one_node_works_and_is_told_of(site: RoleSite) -> None:
    node = {"metadata": {"name": f"node-of-{site.namespace}", "labels": {"only": site.namespace}}}
    site.api.request("POST", "/api/v1/nodes", node)
    answer = site.install(site.admin, redis_node_selector={"only": site.namespace})
    assert "it is NOT highly available" in answer.output
    affinity = site.get(SET.format("redis"))["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
    assert list(affinity) == ["preferredDuringSchedulingIgnoredDuringExecution"]


def test_rotation_of_what_is_kept(site: RoleSite) -> None:
    """The steps without pods: what each leaves in the Secrets; with pods they are tried on VMs."""
    site.install(site.admin, redis_password=PASSWORD)
    before = site.held("redis-acl")

    def step(phase: str, password: str = "") -> dict[str, Any]:
        options = {"namespace": site.namespace, "user": "app", "password": password, "phase": phase}
        answer = module("redis_users", options, "--diff", "-vvv", kubeconfig=site.admin)
        assert PASSWORD not in answer.output
        for held in (site.held(name) for name in ("redis", "redis-acl")):
            for key, value in held.items():
                assert key in ("username", "version") or value not in answer.output
        return answer.result

    begun = step("begin")
    assert begun["rotating"]
    assert step("begin")["changed"] is False
    assert site.install(site.admin).changed == []  # site.yml while it goes on
    assert site.held("redis")["password"] == PASSWORD
    replicated = step("replicate")
    assert site.held("redis-acl")["agent"] != before["agent"]
    assert replicated["version"] != begun["version"]
    switched = step("switch")
    assert (switched["secrets"], switched["version"]) == (["redis"], replicated["version"])
    finished = step("finish")
    assert finished["rotating"] is False
    assert not site.has("/api/v1/namespaces/{}/secrets/redis-rotation")
    new = site.held("redis")["password"]
    [line] = [each for each in site.held("redis-acl")["users.acl"].splitlines() if each.startswith("user app ")]
    assert re.findall("#([0-9a-f]{64})", line) == [hashlib.sha256(new.encode()).hexdigest()]
    assert site.install(site.admin).changed == []


@pytest.mark.parametrize(
    ("there", "variables", "said"),
    [
        ("nothing", {"namespaces_list": [{"name": "other"}]}, "redis_enabled: false makes a site without it"),
        ("nothing", {"redis_sentinel_replicas": 4}, "an even number outvotes no more failures"),
        (
            "a namespace",
            {"redis_storage_class": "none-such", "addons_storage": "false"},
            "there is no StorageClass none-such",
        ),
        ("ours", {"redis_size": "5Gi"}, "Give redis_size: 2Gi"),
        ("foreign", {}, "StatefulSet redis in namespace"),
    ],
)
def test_bad_input_is_refused_before_anything_is_changed(
    site: RoleSite, there: str, variables: dict[str, Any], said: str
) -> None:
    if there == "ours":
        site.install(site.admin)
    if there in ("a namespace", "foreign"):
        site.have_namespace()
    if there == "foreign":
        labels = {"app": "another"}
        container = {"name": "redis", "image": "redis:7"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"serviceName": "redis", "selector": {"matchLabels": labels}, "template": template}
        path = f"/apis/apps/v1/namespaces/{site.namespace}/statefulsets"
        site.api.request("POST", path, {"metadata": {"name": "redis"}, "spec": spec})
    answer = playbook("site", site.variables(site.admin, **variables), inventory="existing")
    assert answer.code != 0
    assert answer.changed == [], answer.output
    assert said in " ".join(answer.output.split()), answer.output
    for name in ("redis", "redis-acl"):
        assert there == "ours" or not site.has(f"/api/v1/namespaces/{{}}/secrets/{name}")
