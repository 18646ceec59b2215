"""What the role publisher applies, as Ansible renders it, and by the schemas of Kubernetes."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._credentials import filled, text
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

sys.path.insert(0, str(CHECKOUT / "roles/publisher/files"))
from slipway_publisher.settings import from_environ

if TYPE_CHECKING:
    from pathlib import Path

ROLE = "publisher"
GIVEN: dict[str, Any] = {
    "_publisher_bound": True,
    "_publisher_version": "7",
    "_publisher_subjects": [{"kind": "User", "name": "ada"}],
}
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one replica, in a team's namespace": {"publisher_replicas": 1, "publisher_namespace": "team"},
    "nodes and a registry": {
        "publisher_node_selector": {"disk": "ssd"},
        "images_registry": "https://registry.example/team",
    },
    "a page of its own": {"publisher_template": '<p>: |\n# - {x}\n\t"y"\n'},
}


@pytest.mark.parametrize("variables", VARIANTS.values(), ids=VARIANTS)
def test_documents_fit_the_schemas(variables: dict[str, Any]) -> None:
    check_schemas(render(ROLE, "publisher", "grants", **GIVEN, **variables)[1:] + render(ROLE, "kept"))


def pod(**variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = of("Deployment", render(ROLE, "publisher", **GIVEN, **variables))["spec"]["template"]
    return found


def test_pods_are_restricted() -> None:
    check_restricted(pod()["spec"])
    assert pod()["spec"]["containers"][0]["image"] == image(ROLE)


def test_the_program_takes_its_settings(tmp_path: Path) -> None:
    container = pod()["spec"]["containers"][0]
    variables = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    targets = tmp_path / "targets.json"
    stores = {"object_store_names": ["object-store-0", "object-store-1"]}
    made = variable(ROLE, "publisher_targets", **stores)
    targets.write_text(text(filled(made, {"access_key": "key", "secret_key": "open sesame"})))
    settings = from_environ({**variables, "SLIPWAY_TARGETS_FILE": str(targets), "SLIPWAY_IDENTITY": "publisher-x"})
    assert [(each.name, each.url, each.bucket, each.key, each.secret, each.create) for each in settings.targets] == [
        (name, f"http://{name}.slipway.svc:7070", "podlister", "key", "open sesame", True)
        for name in stores["object_store_names"]
    ]
    assert (settings.service, settings.namespace, settings.lease, settings.port) == (
        "nginx-pool",
        "slipway",
        "publisher",
        9090,
    )
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert settings.template.parent.as_posix() == mounts["template"]
    assert variables["SLIPWAY_TARGETS_FILE"] == f"{mounts['targets']}/targets.json"
    assert settings.template.name in of("ConfigMap", render(ROLE, "publisher", **GIVEN))["data"]


def test_a_changed_page_or_target_restarts_it() -> None:
    assert pod()["metadata"]["annotations"]["slipway.dev/template"] == hashlib.sha256(b"the page").hexdigest()
    assert pod()["metadata"] != pod(publisher_template="another")["metadata"]
    changed = of("Deployment", render(ROLE, "publisher", **{**GIVEN, "_publisher_version": "8"}))["spec"]["template"]
    assert pod()["metadata"] != changed["metadata"]


def test_the_page_is_kept_as_it_is() -> None:
    page = VARIANTS["a page of its own"]["publisher_template"]
    documents = render(ROLE, "publisher", **GIVEN, publisher_template=page)
    assert of("ConfigMap", documents)["data"] == {"index.template": page}


def test_rights() -> None:
    rules = of("Role", render(ROLE, "role"))["rules"]
    check_rights(rules)
    held = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    assert held == {
        ("endpointslices", "list"),
        ("endpointslices", "watch"),
        ("services", "get"),
        ("leases", "create"),
        ("leases", "get"),
        ("leases", "update"),
    }
    granted = of("Role", render(ROLE, "grants", **GIVEN))["rules"]
    check_rights(granted)
    assert all(covers(granted, rule) for rule in rules)  # else the API server would refuse to make the Role


def test_defaults_are_documented() -> None:
    check_documented(ROLE, "publisher_pull_secret", "publisher_targets", "publisher_template")
