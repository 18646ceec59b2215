"""What an operator reads after a mistake: one message that says what to do, and nothing has changed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import module
from tests.support.api_server import POWERLESS, free_ports
from tests.support.things import definition

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

CLUSTER = {"name": "demo", "image": "registry.k8s.io/pause:3.10.2", "replicas": 1, "wait_timeout": 5}
LABELS = {"nodes": ["node1"], "labels": {"slipway.dev/clusters": "allowed"}}
DOWN = "down"
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
THING = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "x"}}
POD = {"containers": [{"name": "a", "image": "b", "imagePullPolice": "Never"}]}
SIZED = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
MISTYPED = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "a"},
    "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD}},
}
MISTAKES = {
    "server down": ("cluster", CLUSTER, DOWN, r"API server https://\S+ cannot be reached: .*does the API server run"),
    "no permission": ("cluster", CLUSTER, POWERLESS, r'User "powerless" cannot .*\. Ask for a Role that allows it'),
    "unknown context": (
        "cluster",
        {**CLUSTER, "context": "other"},
        "",
        r"has no context 'other'; known contexts: test\.",
    ),
    "no kubeconfig": ("cluster", {**CLUSTER, "kubeconfig": "/missing"}, "", r"kubeconfig /missing does not exist"),
    "no namespace": ("cluster", {**CLUSTER, "namespace": "missing"}, "", r'"missing" not found.*Create the namespace'),
    "unknown field": ("cluster", {**CLUSTER, "replcas": 3}, "", r"Unsupported parameters .* replcas"),
    "negative replicas": ("cluster", {**CLUSTER, "replicas": -1}, "", r"demo.*replicas.*-1"),
    "no DNS label": ("cluster", {**CLUSTER, "name": "Not_A_Label"}, "", r"'Not_A_Label' is no DNS label: at most 63"),
    "labels, server down": ("node_labels", LABELS, DOWN, r"API server https://\S+ cannot be reached"),
    "labels, no permission": ("node_labels", LABELS, POWERLESS, r'User "powerless" cannot .*\. Ask for a Role'),
    "labels, no such node": ("node_labels", LABELS, "", r"node1"),
    "manifest, no YAML": ("manifest", {"definition": "a: ["}, "", r"definition is neither YAML nor JSON: "),
    "manifest, no object": ("manifest", {"definition": "a: 1"}, "", r"definition, document 1: has no apiVersion"),
    "manifest, no file": ("manifest", {"src": ["missing.yaml"]}, "", r"missing\.yaml"),
    "manifest, unknown kind": (
        "manifest",
        {"definition": THING},
        "",
        r"definition, document 1: Thing x: the server knows no Thing of example\.org/v1; is its CRD installed\?",
    ),
    "manifest, mistyped kind": (
        "manifest",
        {"definition": [MAP, {**MISTYPED, "kind": "Deploymnt", "spec": {}}]},
        "",
        r"definition, document 2: Deploymnt a: the server knows no Deploymnt of apps/v1; did you mean Deployment\?",
    ),
    "manifest, mistyped field, before any request": (
        "manifest",
        {"definition": [MAP, MISTYPED]},
        DOWN,
        r"definition, document 2: Deployment a: .*no field imagePullPolice, did you mean imagePullPolicy\?",
    ),
    "manifest, given twice": (
        "manifest",
        {"definition": [MAP, MAP]},
        DOWN,
        r"ConfigMap a is given 2 times: definition, doc",
    ),
    "manifest, no DNS name": (
        "manifest",
        {"definition": {**MAP, "metadata": {"name": "A_b"}}},
        DOWN,
        r"definition, document 1: ConfigMap A_b: name 'A_b' is no DNS subdomain",
    ),
    "manifest, prune what": ("manifest", {"definition": MAP, "prune": True}, "", r"prune is True but .*: declared_by"),
    "resource, not there": (
        "custom_resource",
        {"definition": MAP, "state": "ready"},
        "",
        r"ConfigMap a .*does not exist\.",
    ),
    "resource, scaled to what": (
        "custom_resource",
        {"definition": MAP, "state": "scaled"},
        "",
        r"state is scaled but .*replicas",
    ),
    "request, no service": (
        "service_request",
        {"service": "web"},
        "",
        r"Service web in namespace default does not exist",
    ),
    "clusters, no permission": ("cluster_info", {"name": "a"}, POWERLESS, r'User "powerless" cannot list'),
    "add-ons, no permission": (
        "addons_plan",
        {"storage": "true"},
        POWERLESS,
        r"lacks local-path, and these credentials may not install it: .* playbooks/admin\.yml",
    ),
    "add-ons, no address": ("addons_plan", {"load_balancer": "true"}, "", r"addons_address_pool names no address"),
}


@pytest.mark.parametrize(("name", "options", "login", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake(
    api: ApiServer, namespace: str, tmp_path: Path, name: str, options: dict[str, Any], login: str, message: str
) -> None:
    url = f"https://127.0.0.1:{free_ports(1)[0]}" if login == DOWN else api.url
    token = {"token": POWERLESS} if login == POWERLESS else {}
    kubeconfig = api.kubeconfig(tmp_path / "kubeconfig", url=url, **token)
    if name in ("cluster", "custom_resource"):
        options = {"namespace": namespace, **options}
    answer = module(name, options, kubeconfig=kubeconfig)
    assert answer.code != 0
    assert re.search(message, answer.result["msg"]), answer.output
    assert answer.result.get("changed", False) is False
    assert "Traceback" not in answer.output
    assert api.request("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"] == []


LARGE = json.dumps({**MAP, "data": {"x": "y" * (10 << 20)}})
FILES = {
    "empty": ("", r"a\.yaml holds no document: is it the right file\?"),
    "comments alone": ("# nothing\n---\n", r"a\.yaml holds no document"),
    "malformed": ("kind: ConfigMap\n  name: a", r"a\.yaml is neither YAML nor JSON: line 2: "),
    "key twice": ("kind: A\nkind: B", r"a\.yaml is neither YAML nor JSON: line 2: key 'kind' is given twice"),
    "binary": ("\x00\x01", r"a\.yaml is neither YAML nor JSON"),
    "10 MB": (
        LARGE,
        r"a\.yaml, document 1: ConfigMap a: is 10\.0 MiB long, and an API server takes 3\.0 MiB: split it",
    ),
    "second document": (f"{json.dumps(MAP)}\n---\nkind: Pod", r"a\.yaml, document 2: has no apiVersion"),
}


@pytest.mark.parametrize(("text", "message"), FILES.values(), ids=FILES)
def test_file(kubeconfig: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    answer = module("manifest", {"src": [str(tmp_path)]}, kubeconfig=kubeconfig)
    assert answer.code != 0
    assert re.search(message, answer.result["msg"]), answer.output
    assert "Traceback" not in answer.output


def test_what_has_succeeded_is_told_beside_what_has_failed(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    """The second one could not be judged before its definition was there, which comes later in the same list."""
    group = "partial.example.org"
    sizes = {"good": 1, "bad": "large"}
    documents = [
        {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": name}, "spec": {"size": size}}
        for name, size in sizes.items()
    ]
    file = tmp_path / "all.yaml"
    file.write_text("\n---\n".join(map(json.dumps, [*documents, definition(group, SIZED)])))
    answer = module("manifest", {"src": [str(file)], "namespace": namespace}, kubeconfig=kubeconfig)
    states = {each["name"]: (each["action"], each["state"]) for each in answer.result["objects"]}
    assert states == {
        f"things.{group}": ("created", "available"),
        "good": ("created", "available"),
        "bad": ("none", "failed"),
    }
    assert answer.result["changed"] is True
    assert re.search(
        r"Thing bad in namespace \S+: \S+all\.yaml, document 2: Cannot apply .*spec\.size", answer.result["msg"]
    )


def test_namespace_that_is_being_deleted(api: ApiServer, kubeconfig: Path, namespace: str) -> None:
    api.request("DELETE", f"/api/v1/namespaces/{namespace}")  # nobody here empties it, so it stays
    answer = module("manifest", {"definition": MAP, "namespace": namespace}, kubeconfig=kubeconfig)
    assert answer.result["objects"][0]["cause"]["code"] == "namespace_terminating"
    assert re.search(r"definition, document 1: .*Wait until the namespace is gone", answer.result["msg"])


def test_object_of_somebody_else(api: ApiServer, kubeconfig: Path, namespace: str) -> None:
    api.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", MAP)
    for state in ("present", "absent"):
        answer = module("manifest", {"definition": MAP, "namespace": namespace, "state": state}, kubeconfig=kubeconfig)
        assert answer.result["code"] == "not_ours"
        assert "definition, document 1: ConfigMap a" in answer.result["msg"]
