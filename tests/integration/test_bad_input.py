"""What an operator reads after a mistake: one message that says what to do, and nothing has changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import module
from tests.support.api_server import POWERLESS, free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

CLUSTER = {"name": "demo", "image": "registry.k8s.io/pause:3.10.2", "replicas": 1, "wait_timeout": 5}
LABELS = {"nodes": ["node1"], "labels": {"slipway.dev/clusters": "allowed"}}
DOWN = "down"
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
        {"definition": {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "x"}}},
        "",
        r"Thing x: the server knows no Thing of example\.org/v1; is its CRD installed\?",
    ),
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
    if name == "cluster":
        options = {"namespace": namespace, **options}
    answer = module(name, options, kubeconfig=kubeconfig)
    assert answer.code != 0
    assert re.search(message, answer.result["msg"]), answer.output
    assert answer.result.get("changed", False) is False
    assert "Traceback" not in answer.output
    assert api.request("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"] == []
