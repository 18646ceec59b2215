"""What a role applies, as Ansible renders it, from the role's own variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import yaml
from ansible.plugins.filter import core, mathstuff, urlsplit
from ansible.plugins.test import core as tests
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
    "flatten",
    "from_json",
    "from_yaml",
    "from_yaml_all",
    "hash",
    "intersect",
    "product",
    "regex_replace",
    "ternary",
    "to_json",
    "union",
    "unique",
    "urlsplit",
    "zip",
)


class Variables:
    """Variables, with the templates in them filled in when they are asked for."""

    def __init__(self, environment: Environment, given: dict[str, Any]) -> None:
        self._environment = environment
        self._given = {**given, "lookup": self._lookup}
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._expanded(self._given[name])
        return self._known[name]

    def render(self, name: str) -> str:
        """The text of a template file."""
        assert self._environment.loader
        source = self._environment.loader.get_source(self._environment, name)[0]
        return self._environment.get_template(name).render(self._used_by(source))

    def _used_by(self, text: str) -> dict[str, Any]:
        names = meta.find_undeclared_variables(self._environment.parse(text))
        return {name: self[name] for name in names if name in self._given}

    def _expanded(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._expanded(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._expanded(each) for each in value]
        if not isinstance(value, str) or "{{" not in value:
            return value
        used = self._used_by(value)
        if alone := re.fullmatch(r"\{\{((?:(?!\}\}).)*)\}\}", value.strip(), re.DOTALL):
            found = self._environment.compile_expression(alone[1].strip(), undefined_to_none=False)(**used)
            found = list(found) if isinstance(found, Iterator) else found
        else:
            found = self._environment.from_string(value).render(used)
        return self._expanded(found) if found != value else found

    def _lookup(self, plugin: str, name: str, **_: Any) -> str:
        """Ansible's lookups of files and templates; a page of its own stands for the text of a file."""
        return self.render(name) if plugin.endswith("template") else "the page"


def render(role: str, *names: str, **variables: Any) -> list[Document]:
    """The documents of templates of a role with these variables beside its defaults."""
    given = _variables(role, variables)
    texts = [given.render(f"{name}.yaml.j2") for name in names]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def variable(role: str, name: str, **variables: Any) -> Any:
    """A variable of a role, with these beside its defaults."""
    return _variables(role, variables)[name]


def _variables(role: str, variables: dict[str, Any]) -> Variables:
    home = CHECKOUT / "roles" / role
    environment = Environment(loader=FileSystemLoader(home / "templates"), trim_blocks=True, undefined=StrictUndefined)
    known = {
        name: each for plugins in (core, mathstuff, urlsplit) for name, each in plugins.FilterModule().filters().items()
    }
    environment.filters.update({name: known[name] for name in FILTERS} | {"slipway.cloud.store_targets": store_targets})
    environment.tests["match"] = tests.TestModule().tests()["match"]
    given = {
        **defaults(role),
        **yaml.safe_load((home / "vars/main.yml").read_text()),
        "groups": {"builder": ["localhost"]},
        "hostvars": {"localhost": {"images_refs": {role.replace("_", "-"): image(role)}}},
        "role_path": str(home),
        **variables,
    }
    return Variables(environment, given)


def image(role: str) -> str:
    """The image that a role's pods run in these tests."""
    return f"slipway.local/{role.replace('_', '-')}:0123456789ab"


def defaults(role: str) -> dict[str, Any]:
    """The variables of a role with their defaults."""
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "roles" / role / "defaults/main.yml").read_text())
    return found


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
