"""Credentials: asked what they may do, taken from exec plugins, and refused before anything is changed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import module, playbook
from tests.support.api_server import ADMIN, MERGE_PATCH, POWERLESS, ApiError, free_ports
from tests.support.role_site import with_only

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

DEPLOYMENTS = {
    "why": "clusters are Deployments",
    "namespaces": ["a", "b"],
    "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"]}],
}


def namespaces(name: str) -> dict[str, Any]:
    """The right to make a namespace, for which there is no need if it is there."""
    return {
        "why": "a namespace",
        "rules": [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create"]}],
        "unless": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}],
    }


def exec_plugin(kubeconfig: Path, script: str) -> None:
    """Have the kubeconfig log in by a program, as those of the large clouds do."""
    plugin = kubeconfig.with_name("get-token")
    plugin.write_text(f"#!/bin/sh\n{script}\n")
    plugin.chmod(0o755)
    config = json.loads(kubeconfig.read_text())
    config["users"][0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(plugin),
            "args": ["--cluster", "test"],
            "interactiveMode": "Never",
        }
    }
    kubeconfig.write_text(json.dumps(config))


def credential(token: str) -> str:
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    return f"[ \"$*\" = '--cluster test' ] && echo '{json.dumps(answer)}'"


def test_everything_is_allowed(kubeconfig: Path) -> None:
    answer = module("access", {"rights": [DEPLOYMENTS, namespaces("missing")]}, kubeconfig=kubeconfig)
    assert (answer.result["changed"], answer.result["denied"], answer.result["lacking"]) == (False, [], [])


def test_refused(api: ApiServer, namespace: str, tmp_path: Path) -> None:
    _let_read(api, "powerless", namespace)
    kubeconfig = api.kubeconfig(tmp_path / "kubeconfig", token=POWERLESS)
    rights = [DEPLOYMENTS, namespaces(namespace), namespaces("missing")]
    answer = module("access", {"rights": rights}, kubeconfig=kubeconfig).result
    assert [(row["verb"], row["resource"], row["namespace"], row["needed"]) for row in answer["denied"]] == [
        ("create", "deployments.apps", "a", True),
        ("create", "deployments.apps", "b", True),
        ("create", "namespaces", None, False),
        ("create", "namespaces", None, True),
    ]
    assert answer["lacking"] == ["Namespace missing may not be looked at, so nobody knows whether it is there"]


def _let_read(api: ApiServer, user: str, namespace: str) -> None:
    """Let the user read its own namespace."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}]
    group = "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": "Role", "name": "reader"}
    subjects = [{"apiGroup": group, "kind": "User", "name": user}]
    api.request("POST", f"{rbac}/roles", {"metadata": {"name": "reader"}, "rules": rules})
    api.request("POST", f"{rbac}/rolebindings", {"metadata": {"name": "reader"}, "roleRef": role, "subjects": subjects})


def test_exec_plugin(kubeconfig: Path) -> None:
    exec_plugin(kubeconfig, credential(ADMIN))
    answer = module("access", {"rights": [DEPLOYMENTS]}, kubeconfig=kubeconfig)
    assert (answer.code, answer.result["denied"]) == (0, []), answer.output


EXPIRED = r"credentials have expired or are wrong: log in again .* They came from context test of "
LOGINS = {
    "may do nothing": (POWERLESS, {}, r"create +deployments\.apps +clusters .*Namespace clusters .*playbooks/admin"),
    "expired": ("long-gone", {}, EXPIRED),
    "exec plugin, expired": ("exec", {}, EXPIRED),
    "exec plugin fails": (
        "exec fails",
        {},
        r"Cannot log in by context test of .*process returned 1\. The program that its user names under exec",
    ),
    "no such context": (ADMIN, {"site_context": "prod"}, r"has no context 'prod'; known contexts: test\."),
    "no such file": (ADMIN, {"site_kubeconfig": "/missing"}, r"kubeconfig /missing does not exist"),
    "unreachable": ("down", {}, r"API server https://\S+ cannot be reached: .*does the API server run"),
}


@pytest.mark.parametrize(("token", "variables", "message"), LOGINS.values(), ids=LOGINS)
def test_site_is_refused(api: ApiServer, tmp_path: Path, token: str, variables: dict[str, str], message: str) -> None:
    url = f"https://127.0.0.1:{free_ports(1)[0]}" if token == "down" else api.url
    kubeconfig = api.kubeconfig(tmp_path / "kubeconfig", url=url, token=token)
    scripts = {"exec": credential("long-gone"), "exec fails": "exit 1"}
    if token in scripts:
        exec_plugin(kubeconfig, scripts[token])
    answer = playbook("site", {"site_kubeconfig": str(kubeconfig), **variables}, inventory="existing")
    assert answer.code != 0
    assert re.search(message, " ".join(answer.output.split())), answer.output
    assert "Traceback" not in answer.output
    assert answer.changed == []
    with pytest.raises(ApiError, match="404"):
        api.request("GET", "/api/v1/namespaces/clusters")


def test_namespace_of_others(namespace: str, kubeconfig: Path) -> None:
    variables = {"site_kubeconfig": str(kubeconfig), "namespaces_list": [{"name": namespace}], **with_only()}
    answer = playbook("site", variables, inventory="existing")
    assert f"Namespace {namespace} exists and was not made by Slipway" in " ".join(answer.output.split())
    assert answer.changed == []


def test_nodes_are_labelled_by_an_admin(api: ApiServer, kubeconfig: Path) -> None:
    group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
    binding = {
        "metadata": {"name": "look-at-nodes"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "look-at-nodes"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "ada"}],
    }
    api.request("POST", f"/apis/{group}/v1/clusterroles", {"metadata": {"name": "look-at-nodes"}, "rules": rules})
    api.request("POST", f"/apis/{group}/v1/clusterrolebindings", binding)
    api.request("POST", "/api/v1/nodes", {"metadata": {"name": "lonely"}})
    options = {"nodes": ["lonely"], "labels": {"test.slipway.dev/a": "b"}, "impersonate_user": "ada"}
    try:
        answer = module("node_labels", options, "--check", kubeconfig=kubeconfig).result
        assert answer["code"] == "forbidden"
        assert answer["msg"].endswith("admin type: kubectl label --overwrite node lonely test.slipway.dev/a=b")
        labels = {"metadata": {"labels": options["labels"]}}
        api.request("PATCH", "/api/v1/nodes/lonely", labels, content_type=MERGE_PATCH)
        assert module("node_labels", options, kubeconfig=kubeconfig).result["changed"] is False
    finally:
        api.request("DELETE", "/api/v1/nodes/lonely")


PASSWORD = "open sesame"
PULL_SECRET = {"name": "registry", "registry": "https://registry.example:5000", "username": "ci", "password": PASSWORD}


def test_pull_secret(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    steps: list[tuple[dict[str, Any], list[str], bool, list[str]]] = [
        (PULL_SECRET, [], True, ["registry"]),
        (PULL_SECRET, [], False, ["registry"]),
        ({**PULL_SECRET, "password": f"{PASSWORD}!"}, ["--check"], True, ["registry"]),
        ({**PULL_SECRET, "password": f"{PASSWORD}!"}, [], True, ["registry"]),
        ({"name": "registry", "state": "absent"}, [], True, []),
        ({"name": "registry", "state": "absent"}, [], False, []),
    ]
    for options, flags, changed, referred in steps:
        answer = module("pull_secret", {**options, "namespaces": [namespace]}, "--diff", *flags, kubeconfig=kubeconfig)
        assert (answer.code, answer.result["changed"]) == (0, changed), answer.output
        assert PASSWORD not in answer.output
        found = api.request("GET", account).get("imagePullSecrets", [])
        assert [entry["name"] for entry in found] == referred


def test_pull_secret_of_others(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    api.request("POST", secrets, {"metadata": {"name": "registry"}, "stringData": {"whose": "theirs"}})
    for options in (PULL_SECRET, {"name": "registry", "state": "absent"}):
        answer = module("pull_secret", {**options, "namespaces": [namespace]}, kubeconfig=kubeconfig)
        assert answer.result["code"] == "not_ours", answer.output
    assert api.request("GET", f"{secrets}/registry")["data"] == {"whose": "dGhlaXJz"}
