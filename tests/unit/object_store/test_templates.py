"""What the role object_store applies, as Ansible renders it, and by the schemas of Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.role_templates import check_documented, check_restricted, check_rights, check_schemas, of, render

ROLE = "object_store"
TWO = {"object_store_names": ["object-store-0", "object-store-1"]}
GIVEN = {"_object_store_version": "7", "_object_store_subjects": [{"kind": "User", "name": "ada"}]}
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "two": TWO,
    "one that is named as the Service of all": {"object_store_names": ["object-store"]},
    "a class and nodes": {"object_store_storage_class": "fast", "object_store_node_selector": {"disk": "ssd"}},
    "registry": {"images_registry": "https://registry.example/team"},
}


@pytest.mark.parametrize("variables", VARIANTS.values(), ids=VARIANTS)
def test_documents_fit_the_schemas(variables: dict[str, Any]) -> None:
    check_schemas(render(ROLE, "claims", "stores", "grants", **GIVEN, **variables))


def test_each_store_has_a_volume_and_a_service_of_its_own() -> None:
    documents = render(ROLE, "claims", "stores", **GIVEN, **TWO)
    names = {
        kind: [each["metadata"]["name"] for each in documents if each["kind"] == kind]
        for kind in ("PersistentVolumeClaim", "Deployment", "Service")
    }
    assert names == {
        "PersistentVolumeClaim": TWO["object_store_names"],
        "Deployment": TWO["object_store_names"],
        "Service": ["object-store-0", "object-store", "object-store-1"],
    }
    pods = {each["metadata"]["name"]: each["spec"]["template"] for each in documents if each["kind"] == "Deployment"}
    chosen = {
        each["metadata"]["name"]: [
            name for name, pod in pods.items() if each["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        ]
        for each in documents
        if each["kind"] == "Service"
    }
    assert chosen == {
        "object-store-0": ["object-store-0"],
        "object-store": ["object-store-0"],
        "object-store-1": ["object-store-1"],
    }
    for name, pod in pods.items():
        [volume] = pod["spec"]["volumes"]
        assert volume["persistentVolumeClaim"] == {"claimName": name}


def test_stores_of_others_are_not_deployed() -> None:
    documents = render(ROLE, "claims", "stores", **GIVEN, object_store_urls=["https://s3.example"])
    assert [each["kind"] for each in documents] == ["ServiceAccount"]


def test_pods() -> None:
    deployment = of("Deployment", render(ROLE, "stores", **GIVEN))
    pod = deployment["spec"]["template"]["spec"]
    check_restricted(pod)
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert pod["automountServiceAccountToken"] is False
    [container] = pod["containers"]
    assert {each["name"]: each["valueFrom"]["secretKeyRef"]["key"] for each in container["env"]} == {
        "ROOT_ACCESS_KEY_ID": "access_key",
        "ROOT_SECRET_ACCESS_KEY": "secret_key",
    }
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    assert {container["args"][-1], container["args"][-2].removeprefix("--versioning-dir=")} == mounted


def test_new_credentials_restart_it() -> None:
    old, new = (
        of("Deployment", render(ROLE, "stores", **{**GIVEN, "_object_store_version": version})) for version in "78"
    )
    assert old["spec"]["template"]["metadata"] != new["spec"]["template"]["metadata"]


def test_rights() -> None:
    check_rights(of("Role", render(ROLE, "grants", **GIVEN))["rules"])


def test_defaults_are_documented() -> None:
    check_documented(ROLE, "object_store_pull_secret")  # which follows from other roles' variables
