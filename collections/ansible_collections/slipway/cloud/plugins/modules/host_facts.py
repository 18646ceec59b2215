# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: What a node is, and the settings of its Kubernetes services that follow
description:
  - Looks at cgroups, capabilities, resolver, kernel modules, swap and what kubeadm left, and decides from that alone
    what containerd, kubelet and kube-proxy must be told.
  - Runs on the node and changes nothing. Without root rights it does not know which program holds a port.
options:
  kubeadm_marker:
    description: Where the role C(kubeadm) notes how far it came.
    type: path
    default: /var/lib/slipway/kubeadm
  directories:
    description: Directories whose file systems are looked at. They need not exist.
    type: list
    elements: path
    default: []
  ports:
    description: TCP ports of which is said whether, and by which program, they are listened on.
    type: list
    elements: int
    default: []
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
  facts:
    support: full
    description: Sets the fact C(slipway_host).
"""

EXAMPLES = r"""
- name: Look at the node
  slipway.cloud.host_facts:

- name: Show its cgroup driver
  ansible.builtin.debug:
    msg: "{{ ansible_facts['slipway_host']['settings']['cgroup_driver'] }}"
"""

RETURN = r"""
ansible_facts:
  description: Facts about the node.
  returned: always
  type: dict
  contains:
    slipway_host:
      description: What was seen, and under C(settings) what follows.
      returned: always
      type: dict
      sample:
        hostname: node1
        address: 10.77.0.11
        os_id: ubuntu
        os_version: "24.04"
        cgroup_version: 2
        missing_packages: [conntrack]
        settings:
          cgroup_driver: systemd
          fail_cgroup_v1: true
          resolv_conf: /run/systemd/resolve/resolv.conf
          membership: none
"""

import typing as t
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._host import observe, settings


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "kubeadm_marker": {"type": "path", "default": "/var/lib/slipway/kubeadm"},
            "directories": {"type": "list", "elements": "path", "default": []},
            "ports": {"type": "list", "elements": "int", "default": []},
        },
        supports_check_mode=True,
    )
    asked = {name: module.params[name] for name in ("directories", "ports")}
    seen = observe(marker=module.params["kubeadm_marker"], **asked)
    facts = {**asdict(seen), "settings": asdict(settings(seen))}
    module.exit_json(changed=False, ansible_facts={"slipway_host": facts})


if __name__ == "__main__":
    main()
