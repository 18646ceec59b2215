"""What the role worker applies, as Ansible renders it, and by the schemas of Kubernetes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest
import yaml
from ansible.plugins.filter import core, mathstuff
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from kubernetes_validate import utils as schemas

from tests.support.paths import CHECKOUT

ROLE = CHECKOUT / "roles" / "worker"
IMAGE = "slipway.local/worker:0123456789ab"
FILES = ("worker", "global", "grants", "kept", "driver")
TOKENS = {"worker_tokens": {"ada": "open sesame", "grace": 7}}
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "two tenants": {"worker_namespaces": ["clusters", "team"]},
    "in the tenant's namespace": {"worker_namespace": "team", "worker_namespaces": ["team"]},
    "tokens": TOKENS,
    "registry": {"images_registry": "https://registry.example/team"},
    "a quota in numbers": {"worker_quota": {"pods": 500, "requests.cpu": 8}},
    "one replica, no quota, any node": {"worker_replicas": 1, "worker_quota": {}, "worker_node_selector": {}},
}

Document = dict[str, Any]


def filters() -> dict[str, Any]:
    """Ansible's own, as far as the role uses them."""
    known = {**core.FilterModule().filters(), **mathstuff.FilterModule().filters()}
    return {name: known[name] for name in ("b64encode", "combine", "difference", "hash", "to_json")}


def render(name: str, **variables: Any) -> list[Document]:
    """The documents of a template with these variables beside the role's defaults."""
    environment = Environment(loader=FileSystemLoader(ROLE / "templates"), trim_blocks=True, undefined=StrictUndefined)
    environment.filters.update(filters())
    given: dict[str, Any] = {
        **yaml.safe_load((ROLE / "defaults/main.yml").read_text()),
        **yaml.safe_load((ROLE / "vars/main.yml").read_text()),
        "groups": {"builder": ["localhost"]},
        "hostvars": {"localhost": {"images_refs": {"worker": IMAGE}}},
        "lookup": lambda plugin, name: (
            environment.get_template(name).render(given) if plugin.endswith("template") else ""
        ),
        "_worker_bindings": True,
        "_worker_subjects": [{"kind": "User", "name": "ada"}],
        **variables,
    }
    while (resolved := expanded(given, given, environment)) != given:
        given = resolved
    text = environment.get_template(f"{name}.yaml.j2").render(given)
    return [document for document in yaml.safe_load_all(text) if document]


def expanded(value: Any, variables: dict[str, Any], environment: Environment) -> Any:
    """A variable with the templates in it filled in, as far as these variables are."""
    if isinstance(value, dict):
        return {key: expanded(each, variables, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [expanded(each, variables, environment) for each in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    if alone := re.fullmatch(r"\{\{((?:(?!\}\}).)*)\}\}", value):
        return environment.compile_expression(alone[1], undefined_to_none=False)(**variables)
    return environment.from_string(value).render(variables)


def of(kind: str, documents: list[Document]) -> Document:
    [found] = [each for each in documents if each["kind"] == kind]
    return found


@pytest.mark.parametrize("variables", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("name", [name for name in FILES if name != "kept"])
def test_documents_fit_the_schemas(name: str, variables: dict[str, Any]) -> None:
    documents = render(name, **variables)
    for document in documents:
        schemas.validate(document, schemas.latest_version(), strict=True)
    identities = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in documents]
    assert len(set(identities)) == len(identities) > 0


def container(documents: list[Document], kind: str) -> Document:
    [found] = of(kind, documents)["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("name", "kind"), [("worker", "Deployment"), ("driver", "Job")])
def test_pods_are_restricted(name: str, kind: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a file system to read."""
    pod = of(kind, render(name))["spec"]["template"]["spec"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(render(name), kind)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [set(volume) - {"name"} for volume in pod["volumes"]] == [{"secret"}]
    assert pod["automountServiceAccountToken"] is (kind == "Deployment")


def test_settings() -> None:
    env = {
        each["name"]: each["value"]
        for each in container(render("worker", **VARIANTS["two tenants"]), "Deployment")["env"]
    }
    assert env == {
        "SLIPWAY_NAMESPACES": "clusters,team",
        "SLIPWAY_IMAGE": "registry.k8s.io/pause:3.10.2",
        "SLIPWAY_NODE_SELECTOR": '{"slipway.dev/clusters": "allowed"}',
        "SLIPWAY_MAX_REPLICAS": "1000",
        "SLIPWAY_MAX_DEADLINE": "900",
        "SLIPWAY_DRAIN": "20",
        "SLIPWAY_INACTIVITY": "70",
        "SLIPWAY_THREADS": "16",
    }


def test_names_of_the_pods() -> None:
    documents = render("worker")
    pod = of("Deployment", documents)["spec"]["template"]
    service = of("Service", documents)["spec"]
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("worker", "worker")
    assert service["clusterIP"] == "None"
    assert service["selector"].items() <= pod["metadata"]["labels"].items()
    assert [(port["name"], port["port"]) for port in service["ports"]] == [("grpc", 50051), ("metrics", 9090)]


def test_calls_have_time_to_end() -> None:
    pod = of("Deployment", render("worker", worker_drain=45))["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 45


def test_roles_are_bound_to_the_worker_alone() -> None:
    documents = [*render("worker", **VARIANTS["two tenants"]), *render("global")]
    bindings = [each for each in documents if each["kind"] in ("RoleBinding", "ClusterRoleBinding")]
    assert [each["metadata"].get("namespace") for each in bindings] == ["clusters", "team", None]
    for binding in bindings:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "worker", "namespace": "slipway"}]


def test_no_right_is_a_wildcard() -> None:
    for name in FILES:
        for document in render(name):
            for rule in document.get("rules", []):
                assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
    worker = {resource for rule in of("Role", render("worker"))["rules"] for resource in rule["resources"]}
    assert worker.isdisjoint({"secrets", "configmaps", "serviceaccounts"})


def test_whoever_installs_it_has_the_rights_that_it_gives() -> None:
    """Else the API server would refuse to make the Role."""
    tenant = next(
        each for each in render("grants") if each["kind"] == "Role" and each["metadata"]["namespace"] == "clusters"
    )
    for rule in of("Role", render("worker"))["rules"]:
        assert rule in tenant["rules"]


def test_tokens_are_hashed() -> None:
    documents = render("worker", **TOKENS)
    held = json.loads(base64.b64decode(of("Secret", documents)["data"]["tokens.json"]))
    assert held == {
        "ada": hashlib.sha256(b"open sesame").hexdigest(),
        "grace": hashlib.sha256(b"7").hexdigest(),
    }
    path = next(
        each["value"] for each in container(documents, "Deployment")["env"] if each["name"] == "SLIPWAY_TOKENS_FILE"
    )
    [mount] = [each for each in container(documents, "Deployment")["volumeMounts"] if each["name"] == "tokens"]
    assert path == f"{mount['mountPath']}/tokens.json"


def test_pull_secret() -> None:
    for name, kind in (("worker", "Deployment"), ("driver", "Job")):
        for variables, expected in ((VARIANTS["registry"], [{"name": "slipway-registry"}]), ({}, None)):
            assert of(kind, render(name, **variables))["spec"]["template"]["spec"].get("imagePullSecrets") == expected


def test_defaults_are_documented() -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    for entry in specs.values():
        documented = {name: option["default"] for name, option in entry["options"].items() if "default" in option}
        assert defaults.keys() == entry["options"].keys()
        assert {name: defaults[name] for name in documented} == documented
    assert defaults.keys() - documented.keys() == {"worker_pull_secret"}  # that follows from other roles' variables
    steps = {path.stem for path in (ROLE / "tasks").glob("*.yml")}
    assert specs.keys() <= steps
