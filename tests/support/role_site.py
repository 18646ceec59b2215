"""Roles in a namespace of their own on an API server: a play that does with them what the playbooks do."""

from __future__ import annotations

import base64
import itertools
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.ansible import Run, run
from tests.support.api_server import POWERLESS
from tests.support.kubernetes import succeed
from tests.support.paths import BUNDLE_BIN, VENV_BIN
from tests.support.role_templates import defaults, image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

_numbers = itertools.count(1)

PARTS = ("worker", "object_store", "publisher", "nginx_pool", "admission", "network_policies", "redis", "counter")
DEPLOYMENT = "/apis/apps/v1/namespaces/{{}}/deployments/{}"


def with_only(*roles: str) -> dict[str, bool]:
    """What makes a site of these roles alone, of those that a site can do without."""
    return {f"{part}_enabled": part in roles for part in PARTS}


@dataclass
class RoleSite:
    """A namespace, an admin of the whole Kubernetes, and a user who has no more there than an admin grants.

    ``roles`` are those of the site, in their order: switched on, in that namespace, and not waited for. Those
    ``beside`` them are switched on there too, and left alone.
    """

    api: ApiServer
    home: Path
    roles: tuple[str, ...]
    beside: tuple[str, ...] = ()
    number: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        self.namespace = f"{self.roles[-1].replace('_', '-')}-{self.number}"
        self.admin = self.api.kubeconfig(self.home / "admin")
        self.user = self.api.kubeconfig(self.home / "user", token=POWERLESS)

    def variables(self, kubeconfig: Path, **more: Any) -> dict[str, Any]:
        """What a site of these roles is given."""
        return {
            "site_kubeconfig": str(kubeconfig),
            "namespaces_list": [{"name": self.namespace, "pod_security": "restricted"}],
            "namespaces_subjects": [{"kind": "User", "name": "powerless"}],
            **with_only(*self.roles, *self.beside),
            **{name: value for role in (*self.roles, *self.beside) for name, value in self._of(role).items()},
            **more,
        }

    def _of(self, role: str) -> dict[str, Any]:
        """What a role is given, as far as it has such variables."""
        given = {f"{role}_namespace": self.namespace, f"{role}_wait": False}
        return {name: value for name, value in given.items() if name in defaults(role)}

    def play(self, kubeconfig: Path, tasks: list[dict[str, Any]], *flags: str, **variables: Any) -> Run:
        """Run roles, or parts of them, as the playbooks do."""
        return succeed(self._try(kubeconfig, tasks, *flags, **variables))

    def _try(self, kubeconfig: Path, tasks: list[dict[str, Any]], *flags: str, **variables: Any) -> Run:
        path = self.home / "play.yml"
        play = {
            "name": "Try the roles",
            "hosts": "controller",
            "gather_facts": False,
            "module_defaults": {
                "group/slipway.cloud.k8s": {"kubeconfig": "{{ site_kubeconfig }}", "context": "{{ site_context }}"}
            },
            "tasks": [{"name": "Do it", "ansible.builtin.include_role": {"public": True, **task}} for task in tasks],
        }
        path.write_text(json.dumps([play]))
        images = {role.replace("_", "-"): image(role) for role in self.roles}
        given = self.variables(kubeconfig, images_refs=images, **variables)
        command = [str(VENV_BIN / "ansible-playbook"), "-i", "inventories/existing", str(path), *flags]
        return run([*command, f"--extra-vars={json.dumps(given)}"], timeout=120)

    def grant(self, **variables: Any) -> Run:
        """What an admin does once."""
        tasks = [{"name": role, "tasks_from": "grant"} for role in ("namespaces", *self.roles)]
        return self.play(self.admin, tasks, **variables)

    def install(self, kubeconfig: Path, *flags: str, **variables: Any) -> Run:
        """The namespace, and the roles in it."""
        return succeed(self.try_to_install(kubeconfig, *flags, **variables))

    def try_to_install(self, kubeconfig: Path, *flags: str, **variables: Any) -> Run:
        """The same, where it may be refused."""
        return self._try(kubeconfig, [{"name": role} for role in ("namespaces", *self.roles)], *flags, **variables)

    def remove(self, kubeconfig: Path, **variables: Any) -> Run:
        """Take the roles away."""
        tasks = [{"name": role, "tasks_from": "remove"} for role in reversed(self.roles)]
        return self.play(kubeconfig, tasks, **variables)

    def have_namespace(self) -> None:
        """Have its namespace, as the role namespaces makes it."""
        labels = {"app.kubernetes.io/managed-by": "slipway"}
        self.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace, "labels": labels}})

    def get(self, path: str) -> Any:
        """An object, or a list; {} in the path stands for the namespace."""
        return self.api.request("GET", path.format(self.namespace))

    def has(self, path: str) -> bool:
        """Whether an object is there."""
        return self.api.has(path.format(self.namespace))

    def names(self, path: str) -> list[str]:
        """The names in a list."""
        return sorted(each["metadata"]["name"] for each in self.get(path)["items"])

    def held(self, name: str) -> dict[str, str]:
        """What a Secret holds."""
        data = self.get(f"/api/v1/namespaces/{{}}/secrets/{name}")["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def rights(self, account: str) -> set[tuple[str, str, str]]:
        """What a ServiceAccount may do there, beside what anybody may: resource, name, verbs."""
        return self._rights(f"system:serviceaccount:{self.namespace}:{account}") - self._rights("nobody")

    def _rights(self, user: str) -> set[tuple[str, str, str]]:
        who = ["--as", user, *(["--as-group=system:authenticated"] if user == "nobody" else [])]
        kubectl = [str(BUNDLE_BIN / "kubectl"), f"--kubeconfig={self.admin}", "-n", self.namespace]
        answer = succeed(run([*kubectl, "auth", "can-i", "--list", "--no-headers", *who], timeout=30))
        rows = re.findall(r"^(\S+) +\[\] +\[(.*?)\] +\[(.*?)\]", answer.output, re.MULTILINE)
        return set(rows)
