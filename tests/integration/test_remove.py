"""`playbooks/remove.yml` on a Kubernetes that stays: what is ours goes, what is not stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.ansible import module, playbook
from tests.support.api_server import POWERLESS
from tests.support.kubernetes import succeed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

LABEL = {"slipway.dev/clusters": "allowed"}


def config_map(name: str, *, ours: bool) -> dict[str, object]:
    labels = {"app.kubernetes.io/managed-by": "slipway"} if ours else {}
    return {"metadata": {"name": name, "labels": labels}}


def fill(api: ApiServer, kubeconfig: Path, namespace: str) -> None:
    """Make a namespace of ours, with something of ours and something of others in it."""
    definition = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    module("manifest", {"definition": definition, "wait": False}, kubeconfig=kubeconfig)
    for name, ours in (("ours", True), ("theirs", False)):
        api.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", config_map(name, ours=ours))


def config_maps(api: ApiServer, namespace: str) -> list[str]:
    items = api.request("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]
    return [item["metadata"]["name"] for item in items]


def test_what_is_not_ours_stays(api: ApiServer, kubeconfig: Path) -> None:
    """A namespace that is not to stay would not go here, where no controller finishes it."""
    api.request("POST", "/api/v1/nodes", {"metadata": {"name": "removed", "labels": {"mine": "1"}}})
    module("node_labels", {"nodes": ["removed"], "labels": LABEL, "declared_by": "clusters"}, kubeconfig=kubeconfig)
    fill(api, kubeconfig, "shared")
    site = {
        "site_kubeconfig": str(kubeconfig),
        "namespaces_list": [{"name": "shared"}],
        "confirm": "yes",
    }

    answer = succeed(playbook("remove", site, inventory="existing"))

    assert "ConfigMap theirs" in answer.output
    assert api.request("GET", "/api/v1/nodes/removed")["metadata"]["labels"] == {"mine": "1"}
    assert config_maps(api, "shared") == ["theirs"]
    assert api.request("GET", "/api/v1/namespaces/shared")["status"]["phase"] == "Active"
    assert playbook("remove", site, inventory="existing").changed == []


def test_credentials_of_one_namespace(api: ApiServer, kubeconfig: Path, tmp_path: Path) -> None:
    fill(api, kubeconfig, "granted")
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "powerless"}
    binding = {"metadata": {"name": "granted"}, "roleRef": role, "subjects": [subject]}
    api.request("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/granted/rolebindings", binding)
    own = api.kubeconfig(tmp_path / "own", token=POWERLESS)
    site = {"site_kubeconfig": str(own), "namespaces_list": [{"name": "granted"}], "confirm": "yes"}

    succeed(playbook("remove", site, inventory="existing"))

    assert config_maps(api, "granted") == ["theirs"]
    assert api.request("GET", "/api/v1/namespaces/granted")["status"]["phase"] == "Active"
