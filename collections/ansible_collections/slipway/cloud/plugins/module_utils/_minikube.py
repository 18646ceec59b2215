# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What the minikube program is to be told, what its answers mean, and whether the Kubernetes it made works.

Pure functions of plain values. Runs on nodes: the standard library of Python 3.10 only. What minikube
does and says is that of its sources of version 1.38.1.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

PROFILE = "minikube"
API_PORT = 8443
STORAGE_ADDONS = ("default-storageclass", "storage-provisioner")
_ERROR_EVENT = "io.k8s.sigs.minikube.error"
_NO_PROFILE = 85
_SHOWN_LINES = 12

_FORCE = "minikube does not know this version of Kubernetes: set minikube_force to true to use it anyway."
# What to do about an error, by its stable name (pkg/minikube/reason/reason.go).
_REMEDIES = {
    "DRV_AS_ROOT": "Name another user in minikube_user, or use the driver none.",
    "DRV_NEEDS_ROOT": "The driver none needs root: become root, or set minikube_driver to docker.",
    "GUEST_DRIVER_MISMATCH": "It was made with another driver: remove it first, or set minikube_driver back.",
    "GUEST_MISSING_CONNTRACK": "The role host installs what the driver none needs: run site.yml.",
    "K8S_FAIL_CONNECT": _FORCE,
    "K8S_NEW_UNSUPPORTED": _FORCE,
    "PROVIDER_DOCKER_NEWGRP": "Add the user of minikube_user to the group docker.",
    "PROVIDER_DOCKER_NOT_RUNNING": "Start docker, or set minikube_driver to none.",
    "PROVIDER_DOCKER_NOT_FOUND": "Install docker, or set minikube_driver to none.",
    "RSRC_INSUFFICIENT_CORES": "Give the machine two cores, or set minikube_single_cpu to true.",
}


class MinikubeError(Exception):
    """What failed, and what to do."""


@dataclass(frozen=True)
class Settings:
    """What the Kubernetes is to be, as the options of the module."""

    driver: str
    kubernetes_version: str
    container_runtime: str = "containerd"
    cni: str = ""
    force: bool = False
    single_cpu: bool = False
    image_repository: str = ""
    kubelet_config_dir: str = ""
    ignore_preflight_errors: tuple[str, ...] = ()
    extra_config: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    addons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Machine:
    """What bears on whether minikube can start here."""

    cpus: int
    root: bool
    port_taken: bool = False


@dataclass(frozen=True)
class Status:
    """What ``minikube status`` says. ``starting``: the kubelet runs, and the API does not answer yet."""

    exists: bool
    running: bool = False
    starting: bool = False


@dataclass(frozen=True)
class Record:
    """What the running Kubernetes was started with, and whether it has proven to work since."""

    flags: list[str] = field(default_factory=list)
    proven: bool = False

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what :meth:`to_json` wrote; nothing, where it cannot be read."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError):
            return cls()

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps({"flags": self.flags, "proven": self.proven}) + "\n"


def start_flags(settings: Settings) -> list[str]:
    """Return the flags of ``minikube start``, always in the same order."""
    bare_metal = settings.driver == "none"
    ignored = [*settings.ignore_preflight_errors, *["NumCPU"] * settings.single_cpu]
    extra = [
        *[f"kubeadm.ignore-preflight-errors={','.join(ignored)}"] * bool(ignored),
        *[f"kubelet.config-dir={settings.kubelet_config_dir}"] * bool(settings.kubelet_config_dir),
        *settings.extra_config,
    ]
    cni = settings.cni or ("bridge" if bare_metal else "")
    flags = {
        f"--driver={settings.driver}": True,
        f"--container-runtime={settings.container_runtime}": True,
        f"--kubernetes-version=v{settings.kubernetes_version.removeprefix('v')}": True,
        f"--cni={cni}": bool(cni),
        f"--image-repository={settings.image_repository}": bool(settings.image_repository),
        "--preload=false": bare_metal,
        "--cpus=1": settings.single_cpu,
        "--force": settings.force or settings.single_cpu,
        "--install-addons=false": True,
        "--embed-certs": True,
        "--delete-on-failure=false": True,
        "--interactive=false": True,
        "--wait=all": True,
    }
    return (
        [flag for flag, given in flags.items() if given] + [f"--extra-config={e}" for e in extra] + list(settings.flags)
    )


def problems(settings: Settings, machine: Machine, known_addons: t.Collection[str]) -> list[str]:
    """Return what makes a start impossible, each with what to do; minikube says some of it late or not at all."""
    unknown = [addon for addon in settings.addons if addon not in known_addons]
    found = {
        f"There is one processor, and Kubernetes needs two. {_REMEDIES['RSRC_INSUFFICIENT_CORES']}": (
            machine.cpus < 2 and not settings.single_cpu
        ),
        f"The driver docker refuses root. {_REMEDIES['DRV_AS_ROOT']}": settings.driver == "docker" and machine.root,
        f"The driver none needs root. {_REMEDIES['DRV_NEEDS_ROOT']}": settings.driver == "none" and not machine.root,
        f"Port {API_PORT} is in use, and the API needs it: end what listens there (ss -ltnp 'sport = :{API_PORT}').": (
            settings.driver == "none" and machine.port_taken
        ),
        f"minikube has no add-on {', '.join(unknown)} (minikube_addons); it has: {', '.join(sorted(known_addons))}.": (
            bool(unknown)
        ),
    }
    return [problem for problem, is_so in found.items() if is_so]


def parse_status(code: int, output: str) -> Status:
    """Read the answer of ``minikube status --output=json``: its exit code is 0 for a Kubernetes that runs."""
    if code == _NO_PROFILE:
        return Status(exists=False)
    try:
        seen = json.loads(output)
    except ValueError as error:
        raise MinikubeError(f"minikube status ended with {code} and said nothing that can be read: {output}") from error
    nodes = seen if isinstance(seen, list) else [seen]
    starting = all(node.get("Kubelet") == "Running" for node in nodes)
    if any(node.get("Host") == "Nonexistent" for node in nodes):
        return Status(exists=False)
    return Status(exists=True, running=code == 0, starting=starting and code != 0)


def parse_addons(output: str) -> dict[str, bool]:
    """Read ``minikube addons list --output=json`` as name -> whether it is on."""
    return {name: addon.get("Status") == "enabled" for name, addon in json.loads(output).items()}


def failure(action: str, *, code: int, stdout: str, stderr: str) -> str:
    """Return what a failed command says, from its last event of an error where it has one, and what to do."""
    errors = [event["data"] for event in _events(stdout) if event.get("type") == _ERROR_EVENT]
    if not errors:
        return f"minikube {action} ended with {code}: {_gist(stderr or stdout)}"
    error = max(reversed(errors), key=lambda data: bool(data.get("name")))
    name = error.get("name", "")
    advice = _REMEDIES.get(name) or error.get("advice", "").strip()
    return " ".join(filter(None, [f"minikube {action} failed ({name or code}):", _gist(error["message"]), advice]))


def _events(stdout: str) -> t.Iterator[dict[str, t.Any]]:
    for line in stdout.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("data"), dict):
            yield event


def _gist(message: str) -> str:
    """Return the errors of kubeadm in a message, or else its last lines."""
    lines = [line.strip() for line in message.replace("\\n", "\n").splitlines() if line.strip()]
    kubeadm = [line for line in lines if line.startswith("[ERROR ")]
    return "\n".join(list(dict.fromkeys(kubeadm)) or lines[-_SHOWN_LINES:])


def not_ready(objects: t.Iterable[dict[str, t.Any]], addons: t.Collection[str]) -> list[str]:
    """Return what is not ready yet among a Kubernetes' nodes, pods and storage classes, each with its reason."""
    kinds: dict[str, list[dict[str, t.Any]]] = {"Node": [], "Pod": [], "StorageClass": []}
    for thing in objects:
        kinds[thing["kind"]].append(thing)
    names = {pod["metadata"]["name"] for pod in kinds["Pod"]}
    expected = {
        "there is no node": bool(kinds["Node"]),
        "there is no pod of CoreDNS": any(name.startswith("coredns-") for name in names),
        "there is no pod storage-provisioner": "storage-provisioner" not in addons or "storage-provisioner" in names,
        "there is no storage class": "default-storageclass" not in addons or bool(kinds["StorageClass"]),
    }
    unready = [_unready_reason(thing) for thing in [*kinds["Node"], *kinds["Pod"]]]
    return [problem for problem, holds in expected.items() if not holds] + [reason for reason in unready if reason]


def _unready_reason(thing: dict[str, t.Any]) -> str:
    """Return why a node or a pod is not ready, an empty string if it is, or has done its work."""
    status: dict[str, t.Any] = thing.get("status", {})
    ready: dict[str, str] = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
    if ready.get("status") == "True" or status.get("phase") == "Succeeded":
        return ""
    states = [s.get("state", {}) for s in status.get("containerStatuses", [])]
    waiting: dict[str, str] = next(
        (w for state in states for w in (state.get("waiting"), state.get("terminated")) if w), {}
    )
    reasons = [waiting.get("reason") or ready.get("reason"), waiting.get("message") or ready.get("message")]
    why = ": ".join(reason for reason in reasons if reason) or status.get("phase") or "no condition Ready"
    return f"{thing['kind'].lower()} {thing['metadata']['name']} ({why})"
