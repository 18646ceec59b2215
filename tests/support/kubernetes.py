"""The real Kubernetes of a set of VMs as tests see it: through the bundle's kubectl and the playbooks."""

from __future__ import annotations

import json
import os
import secrets
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.slipway.cloud.plugins.module_utils._vm_set import VmSet, layout
from tests.support.ansible import Run, playbook, run
from tests.support.neighbours import hardware_of
from tests.support.paths import CACHE, VENV_BIN
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Object = dict[str, Any]

ADD_ON_NAMESPACES = ("local-path-storage", "metallb-system")


class KubectlError(AssertionError):
    """kubectl said no; an assertion, so that `eventually` goes on asking."""


@dataclass(frozen=True)
class Kubernetes:
    """One set of VMs and the Kubernetes on them."""

    vm_set: str = os.environ.get("SLIPWAY_VM_SET", "t")
    own_kubeconfig: Path | None = None

    @property
    def layout(self) -> VmSet:
        """The names and addresses of the set."""
        return layout(self.vm_set)

    @property
    def kubeconfig(self) -> Path:
        """Its own kubeconfig, else the administrator's."""
        return self.own_kubeconfig or CACHE / self.layout.kubeconfig

    @property
    def addresses(self) -> dict[str, str]:
        """The nodes, the control plane first, and their addresses on the bridge."""
        return {node.name: node.address for node in self.layout.nodes}

    @property
    def control_plane(self) -> str:
        """The node that the API server runs on."""
        return next(iter(self.addresses))

    def kubectl(self, *arguments: str, timeout: float = 60) -> str:
        """Run kubectl and return its output. Raises `KubectlError`."""
        command = [str(VENV_BIN / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        answer = run(command, timeout=timeout)
        if answer.code:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {answer.output.strip()}")
        return answer.output

    def get(self, *arguments: str) -> Object:
        """An object or a list of objects."""
        answer: Object = json.loads(self.kubectl("get", "--output=json", "--request-timeout=5s", *arguments))
        return answer

    def items(self, *arguments: str) -> list[Object]:
        """The objects of a list."""
        return list(self.get(*arguments)["items"])

    def apply(self, objects: Iterable[Object], *, into: Path, namespace: str = "") -> None:
        """Apply objects by way of a file, which may be read when a test has failed."""
        into.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}, indent=1))
        self.kubectl("apply", "--server-side", f"--filename={into}", f"--namespace={namespace}")

    def image(self, repository: str) -> str:
        """The full reference of an image of this repository that every node has."""
        return eventually(lambda: self._common_image(repository), within=90, what=f"image {repository} on every node")

    def new_namespace(self) -> str:
        """Create a namespace of a name of its own."""
        name = f"test-{secrets.token_hex(3)}"
        self.kubectl("create", "namespace", name)
        return name

    def settle(self, *, within: float = 90) -> None:
        """Wait until every node is Ready, every pod of the add-ons too, and every API is served."""
        eventually(self._settled, within=within, what="nodes, add-ons and APIs ready", every=0.5)

    def announcer(self, namespace: str, service: str) -> str:
        """The node that the address of a Service leads to, as this machine has it."""
        balanced = self.get("service", service, f"--namespace={namespace}")["status"]["loadBalancer"]
        nodes = {hardware_of(address): node for node, address in self.addresses.items()}
        return nodes[hardware_of(balanced["ingress"][0]["ip"])]

    def restarts(self) -> dict[str, int]:
        """How often each container of the add-ons has been started again, by uid, node and names."""
        return {
            "/".join(
                (pod["metadata"]["uid"], pod["spec"]["nodeName"], pod["metadata"]["name"], container["name"])
            ): int(container["restartCount"])
            for pod in self.items("pods", "--all-namespaces")
            if _is_add_on(pod)
            for container in pod["status"].get("containerStatuses", [])
        }

    def on_node(self, node: str, *command: str, timeout: float = 60) -> Run:
        """Run a command on a node, over SSH."""
        keys = CACHE / "vms" / self.vm_set / "ssh"
        options = (f"IdentityFile={keys}/id_ed25519", f"UserKnownHostsFile={keys}/known_hosts", "IdentitiesOnly=yes")
        flags = [flag for option in options for flag in ("-o", option)]
        return run(["ssh", "-q", *flags, f"root@{self.addresses[node]}", shlex.join(command)], timeout=timeout)

    def machines(self, *nodes: str, **variables: object) -> Run:
        """Run `playbooks/vms.yml` with these variables for some VMs of the set, or for all."""
        limit = [f"--limit={','.join(nodes)}"] if nodes else []
        return succeed(playbook("vms", {"vm_set": self.vm_set, **variables}, *limit, timeout=180))

    def _common_image(self, repository: str) -> str:
        nodes = self.items("nodes")
        images = (
            {name for image in node["status"].get("images", []) for name in image.get("names") or []} for node in nodes
        )
        common = set.intersection(*images)
        found: list[str] = sorted(name for name in common if name.startswith(f"{repository}:"))
        assert found, f"images of every node: {sorted(common)}"
        return found[0]

    def _settled(self) -> bool:
        nodes = {node["metadata"]["name"]: _condition(node, "Ready") for node in self.items("nodes")}
        assert set(nodes.values()) == {"True"}, f"Ready: {nodes}"
        pods = self.items("pods", "--all-namespaces")
        waiting = [pod["metadata"]["name"] for pod in pods if _is_system(pod) and _condition(pod, "Ready") != "True"]
        assert not waiting, f"not ready: {waiting}"
        apis = {each["metadata"]["name"]: _condition(each, "Available") for each in self.items("apiservices")}
        assert set(apis.values()) == {"True"}, f"Available: {apis}"
        return True


def succeed(answer: Run) -> Run:
    """Return a run that ended well. Raises `AssertionError` with its output otherwise."""
    assert answer.code == 0, answer.output[-6000:]
    return answer


def _condition(obj: Mapping[str, Any], kind: str) -> str:
    conditions = obj["status"].get("conditions", [])
    return next((str(entry["status"]) for entry in conditions if entry["type"] == kind), "absent")


def _is_system(pod: Mapping[str, Any]) -> bool:
    namespace = str(pod["metadata"]["namespace"])
    return namespace.startswith("kube-") or namespace in ADD_ON_NAMESPACES


def _is_add_on(pod: Mapping[str, Any]) -> bool:
    """A pod of the system that is not a static one of the control plane."""
    return _is_system(pod) and "kubernetes.io/config.mirror" not in pod["metadata"].get("annotations", {})
