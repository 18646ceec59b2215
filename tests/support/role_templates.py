"""What a role applies, as Ansible renders it, from the role's own variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import yaml
from ansible.plugins.filter import core, mathstuff
from ansible.plugins.test import core as core_tests
from jinja2 import Environment, FileSystemLoader, StrictUndefined, meta
from kubernetes_validate import utils as schemas

from ansible_collections.slipway.cloud.plugins.filter.store_targets import store_targets
from tests.support.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

Document = dict[str, Any]
FILTERS = (
    "b64encode",
    "bool",
    "combine",
    "dict2items",
    "difference",
    "dirname",
    "from_json",
    "flatten",
    "hash",
    "intersect",
    "product",
    "regex_replace",
    "ternary",
    "to_json",
    "union",
    "zip",
)


def render(role: str, *names: str, **variables: Any) -> list[Document]:
    """The documents of templates of a role with these variables beside its defaults."""
    environment, given = _environment(role, variables)
    texts = [environment.get_template(f"{name}.yaml.j2").render(given) for name in names]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def variable(role: str, name: str, **variables: Any) -> Any:
    """A variable of a role, with these beside its defaults."""
    return _environment(role, variables)[1][name]


def _environment(role: str, variables: dict[str, Any]) -> tuple[Environment, dict[str, Any]]:
    home = CHECKOUT / "roles" / role
    environment = Environment(loader=FileSystemLoader(home / "templates"), trim_blocks=True, undefined=StrictUndefined)
    known = {**core.FilterModule().filters(), **mathstuff.FilterModule().filters()}
    environment.tests["match"] = core_tests.match
    environment.filters.update({name: known[name] for name in FILTERS} | {"slipway.cloud.store_targets": store_targets})
    given: dict[str, Any] = {
        **defaults(role),
        **yaml.safe_load((home / "vars/main.yml").read_text()),
        "groups": {"builder": ["localhost"]},
        "hostvars": {"localhost": {"images_refs": {role.replace("_", "-"): image(role)}}},
        "role_path": str(home),
        **variables,
    }
    given["lookup"] = partial(_lookup, environment, given)
    while (resolved := expanded(given, given, environment)) != given:
        given.update(resolved)
    return environment, given


def image(role: str) -> str:
    """The image that a role's pods run in these tests."""
    return f"slipway.local/{role.replace('_', '-')}:0123456789ab"


def defaults(role: str) -> dict[str, Any]:
    """The variables of a role with their defaults."""
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "roles" / role / "defaults/main.yml").read_text())
    return found


def expanded(value: Any, variables: dict[str, Any], environment: Environment) -> Any:
    """A variable with the templates in it filled in, as far as these variables are."""
    if isinstance(value, dict):
        return {key: expanded(each, variables, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [expanded(each, variables, environment) for each in value]
    if not isinstance(value, str) or "{{" not in value or not _is_ripe(value, variables, environment):
        return value
    if alone := re.fullmatch(r"\{\{((?:(?!\}\}).)*)\}\}", value.strip(), re.DOTALL):
        found = environment.compile_expression(alone[1].strip(), undefined_to_none=False)(**variables)
        return list(found) if isinstance(found, Iterator) else found
    return environment.from_string(value).render(variables)


def _is_ripe(text: str, variables: dict[str, Any], environment: Environment) -> bool:
    """Whether all that is named by a text, and the templates it looks up, is filled in; if not, in another round."""
    looked_up = re.findall(r"template', '([^']+)'", text)
    sources = [text, *(environment.loader.get_source(environment, name)[0] for name in looked_up if environment.loader)]
    named = {name for source in sources for name in meta.find_undeclared_variables(environment.parse(source))}
    return not any("{{" in str(variables.get(name)) for name in named - {"lookup"})


def _lookup(environment: Environment, given: dict[str, Any], plugin: str, name: str, **_: Any) -> str:
    """Ansible's lookups of files and templates; a page of its own stands for the text of a file."""
    return environment.get_template(name).render(given) if plugin.endswith("template") else "the page"


def of(kind: str, documents: Sequence[Document]) -> Document:
    """The only document of a kind."""
    [found] = [each for each in documents if each["kind"] == kind]
    return found


def check_schemas(documents: Sequence[Document]) -> None:
    """All fit the schemas of Kubernetes, and no two are the same object."""
    for document in documents:
        schemas.validate(document, schemas.latest_version(), strict=True)
    identities = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in documents]
    assert len(set(identities)) == len(identities) > 0


def check_restricted(pod: Document) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a file system to read."""
    assert (
        pod["securityContext"].items()
        >= {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }.items()
    )
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def check_documented(role: str, *followed: str) -> None:
    """The spec has the defaults of the role, but for those that follow from other variables; each entry is a step."""
    values = defaults(role)
    home = CHECKOUT / "roles" / role
    specs = yaml.safe_load((home / "meta/argument_specs.yml").read_text())["argument_specs"]
    for entry in specs.values():
        documented = {name: option["default"] for name, option in entry["options"].items() if "default" in option}
        assert values.keys() == entry["options"].keys()
        assert {name: values[name] for name in documented} == documented
        assert values.keys() - documented.keys() == set(followed)
    assert specs.keys() <= {path.stem for path in (home / "tasks").glob("*.yml")}


def check_rights(rules: Sequence[Document]) -> None:
    """No right is a wildcard."""
    for rule in rules:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def covers(given: Sequence[Document], wanted: Document) -> bool:
    """Whether one of these rules, without names of objects, has all of another."""
    return any(
        all(set(wanted[key]) <= set(rule[key]) for key in ("apiGroups", "resources", "verbs"))
        for rule in given
        if "resourceNames" not in rule
    )
