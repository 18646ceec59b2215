# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minikube
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: A Kubernetes by minikube
description:
  - Starts, stops and deletes the Kubernetes of the minikube program on the host that it runs on, and has its add-ons.
  - Starts it only when it does not run, or runs with other flags than those that follow from the options.
  - Success is judged by the Kubernetes itself, since minikube says that it is done when an add-on never came up. Nodes
    and pods of C(kube-system) must be ready and, with both add-ons for storage, a PersistentVolumeClaim must be bound.
  - With the driver V(none), kubelet and containerd are enabled, so that a reboot brings everything back.
options:
  state:
    description:
      - What the Kubernetes is to be.
      - V(absent) deletes it, and with the driver V(none) also undoes what C(minikube delete) leaves.
    type: str
    choices: [absent, started, stopped]
    default: started
  driver:
    description: V(none) runs it on the host itself and needs root; V(docker) in a container and refuses root.
    type: str
    choices: [docker, none]
    default: none
  kubernetes_version:
    description: Version of Kubernetes; needed to start.
    type: str
  container_runtime:
    description: The container runtime.
    type: str
    default: containerd
  cni:
    description: The pod network; V(bridge) for the driver V(none) unless given, else minikube's choice.
    type: str
  force:
    description: Whether a Kubernetes is used that is newer than those that minikube knows.
    type: bool
    default: false
  single_cpu:
    description: Whether one processor is enough.
    type: bool
    default: false
  image_repository:
    description: Where images are pulled from instead of their own registries.
    type: str
  kubelet_config_dir:
    description: A directory of the kubelet's configuration files (C(*.conf)) on the node, which go before minikube's.
    type: path
  ignore_preflight_errors:
    description: Names of preflight errors of kubeadm that cannot be put right.
    type: list
    elements: str
    default: []
  extra_config:
    description: Further values of C(--extra-config), as C(component.key=value).
    type: list
    elements: str
    default: []
  flags:
    description: Further flags of C(minikube start).
    type: list
    elements: str
    default: []
  addons:
    description: The add-ons that are on; all others are off.
    type: list
    elements: str
    default: []
  seeds:
    description:
      - Programs of Kubernetes on the node, C(kubeadm), C(kubectl) and C(kubelet), by their paths, each with its sha256.
      - minikube downloads what its cache lacks and trusts what it holds, so they are verified and put there.
    type: dict
    default: {}
  home:
    description: The directory with C(.minikube); that of the user unless given.
    type: path
  program:
    description: Name or path of minikube.
    type: path
    default: minikube
  timeout:
    description: How many seconds minikube, and after it the nodes and pods, have to be ready.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
    description: Says what it would do.
  diff_mode:
    support: full
    description: Shows the flags and add-ons before and after.
"""

EXAMPLES = r"""
- name: Have a Kubernetes on this host
  slipway.cloud.minikube:
    kubernetes_version: 1.35.1
    addons: [default-storageclass, storage-provisioner]

- name: Have none
  slipway.cloud.minikube:
    state: absent
"""

RETURN = r"""
actions:
  description: What was, or in check mode would be, done.
  returned: always
  type: list
  elements: str
  sample: [start, addons enable storage-provisioner]
flags:
  description: The flags that it was started with.
  returned: when O(state=started)
  type: list
  elements: str
  sample: [--driver=none, --container-runtime=containerd]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._minikube import MinikubeError, Settings
from ..module_utils._minikube_program import Outcome, Program, ensure_absent, ensure_started, ensure_stopped

_SETTINGS = (
    "driver",
    "kubernetes_version",
    "container_runtime",
    "cni",
    "force",
    "single_cpu",
    "image_repository",
    "kubelet_config_dir",
)
_LISTS = ("ignore_preflight_errors", "extra_config", "flags", "addons")


def settings_of(params: t.Mapping[str, t.Any]) -> Settings:
    single: dict[str, t.Any] = {name: params[name] for name in _SETTINGS if params[name] is not None}
    lists: dict[str, t.Any] = {name: tuple(params[name]) for name in _LISTS}
    return Settings(**single, **lists)


def ensure(program: Program, params: t.Mapping[str, t.Any]) -> Outcome:
    """Bring it into the state that is asked for."""
    if params["state"] == "started":
        return ensure_started(program, settings_of(params), seeds=params["seeds"], timeout=params["timeout"])
    if params["state"] == "stopped":
        return ensure_stopped(program, driver=params["driver"])
    return ensure_absent(program, driver=params["driver"])


def main() -> t.NoReturn:
    texts: dict[str, dict[str, t.Any]] = {name: {"type": "list", "elements": "str", "default": []} for name in _LISTS}
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["absent", "started", "stopped"], "default": "started"},
            "driver": {"type": "str", "choices": ["docker", "none"], "default": "none"},
            "kubernetes_version": {"type": "str"},
            "container_runtime": {"type": "str", "default": "containerd"},
            "cni": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "single_cpu": {"type": "bool", "default": False},
            "image_repository": {"type": "str"},
            "kubelet_config_dir": {"type": "path"},
            **texts,
            "seeds": {"type": "dict", "default": {}},
            "home": {"type": "path"},
            "program": {"type": "path", "default": "minikube"},
            "timeout": {"type": "int", "default": 300},
        },
        required_if=[("state", "started", ["kubernetes_version"])],
        supports_check_mode=True,
    )
    program = Program(
        run=module.run_command,
        program=module.params["program"],
        home=module.params["home"],
        check_mode=module.check_mode,
    )
    try:
        outcome = ensure(program, module.params)
    except (MinikubeError, OSError) as error:
        module.fail_json(msg=str(error), actions=program.actions)
    module.exit_json(changed=bool(outcome.actions), **outcome.as_result())


if __name__ == "__main__":
    main()
