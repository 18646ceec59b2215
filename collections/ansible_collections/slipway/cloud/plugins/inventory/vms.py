# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inventory of a set of throw-away VMs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: vms
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Throw-away VMs on this machine
description:
  - Lists the hosts of the set of VMs that the extra variable C(vm_set) names; the set C(main) unless it is given.
  - A set follows from its name alone, so any number of sets can be used side by side.
  - Makes the groups C(control_plane) and C(workers), both in C(kubeadm), an empty one, C(minikube), and C(controller)
    and C(builder), which are this machine. Every host gets C(vm_layout), the addresses of the set.
options:
  plugin:
    description: Always V(slipway.cloud.vms).
    type: str
    required: true
    choices: [slipway.cloud.vms]
  control_planes:
    description: The count of control planes; only 1 is supported.
    type: int
    default: 1
  workers:
    description:
      - The count of workers. The extra variable C(vm_workers) goes before it.
      - Default is 2, and 0 for the set C(k).
    type: int
"""

EXAMPLES = r"""
# inventories/testbed/vms.yml, to be used with: ansible-playbook -i inventories/testbed -e vm_set=x
plugin: slipway.cloud.vms
"""

import dataclasses
import os
import sys
import typing as t

from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.vars import load_extra_vars

from ..lookup.cache_path import cache_path
from ..module_utils._vm_set import Node, VmSet, VmSetError, layout

if t.TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader

_LOCALHOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
_SSH_ARGS = "-o UserKnownHostsFile={directory}/known_hosts -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"


def node_variables(node: Node, ssh_directory: str) -> dict[str, t.Any]:
    """Return the variables by which Ansible reaches a VM; keys and control sockets are the set's own."""
    return {
        "ansible_host": node.address,
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": f"{ssh_directory}/id_ed25519",
        "ansible_ssh_common_args": _SSH_ARGS.format(directory=ssh_directory),
        "ansible_control_path": f"{ssh_directory}/{node.name}",
    }


def add_localhost(inventory: InventoryData) -> None:
    """Add the groups of this machine."""
    for group in ("controller", "builder"):
        inventory.add_group(group)
        inventory.add_host("localhost", group=group)
    _set_variables(inventory, "localhost", _LOCALHOST)


def add_nodes(inventory: InventoryData, vm_set: VmSet, ssh_directory: str) -> None:
    """Add the VMs, in their groups, and what every host knows of the set."""
    _set_variables(inventory, "all", {"vm_layout": dataclasses.asdict(vm_set)})
    inventory.add_group("minikube")
    inventory.add_group("kubeadm")
    for group in ("control_plane", "workers"):
        inventory.add_group(group)
        inventory.add_child("kubeadm", group)
    for node in vm_set.nodes:
        inventory.add_host(node.name, group=node.group)
        _set_variables(inventory, node.name, node_variables(node, ssh_directory))


def _set_variables(inventory: InventoryData, entity: str, variables: dict[str, t.Any]) -> None:
    for name, value in variables.items():
        inventory.set_variable(entity, name, value)


class InventoryModule(BaseInventoryPlugin):
    """Adds the hosts of one set."""

    NAME = "slipway.cloud.vms"

    def verify_file(self, path: str) -> bool:
        """Whether the file is for this plugin, judged by its name."""
        return super().verify_file(path) and path.endswith(("vms.yml", "vms.yaml"))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Add groups, hosts and variables."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        extra = load_extra_vars(loader)
        try:
            vm_set = layout(
                str(extra.get("vm_set", "main")),
                extra.get("vm_workers", self.get_option("workers")),
                control_planes=self.get_option("control_planes"),
            )
        except VmSetError as error:
            # Ansible makes a warning of any other exception and goes on without hosts: a run that succeeds at nothing.
            self.display.error(str(error))
            raise SystemExit(4) from error
        add_localhost(inventory)
        add_nodes(inventory, vm_set, cache_path(f"vms/{vm_set.name}/ssh", environ=os.environ))
