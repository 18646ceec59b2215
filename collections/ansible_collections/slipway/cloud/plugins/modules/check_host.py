# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name, with the module host_facts on the host.

from __future__ import annotations

DOCUMENTATION = r"""
module: check_host
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Say what is wrong with a host, before it is changed
description:
  - Looks at the host with M(slipway.cloud.host_facts) and compares what is there with what its groups need.
  - Never fails. A host that cannot be reached, has no Python or gives no root rights has a finding that says so.
  - With C(become) it becomes root only on a host that becomes a node, and looks without that where it is refused.
options:
  groups:
    description: The groups of the host.
    type: list
    elements: str
    required: true
  needs:
    description: What hosts need, by group. A host in several groups needs the most of each.
    type: list
    elements: dict
    required: true
    suboptions:
      group:
        description: The group.
        type: str
        required: true
      installer:
        description:
          - What makes its hosts nodes of a Kubernetes; empty if nothing does.
          - Only hosts that become nodes are judged by more than their size.
        type: str
        choices: ['', kubeadm, minikube]
        default: ''
      cpus:
        description: How many CPUs.
        type: int
        default: 1
      memory_mib:
        description: How much memory, in MiB.
        type: int
        default: 0
      ports:
        description: The TCP ports that must be free, or held by the Kubernetes that is to be there.
        type: list
        elements: int
        default: []
      disk:
        description: What a first installation writes, and where.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: The directory, which need not exist yet.
            type: path
            required: true
          mib:
            description: How much, in MiB.
            type: int
            required: true
  systems:
    description: The accepted versions of each distribution, by its C(ID) in C(/etc/os-release).
    type: dict
    required: true
  disk_used_percent:
    description: How full a node's disk may be before there is a warning; from V(85) on kubelet removes images.
    type: int
    default: 85
  clock_skew:
    description: By how many seconds a node's clock may differ from the controller's.
    type: float
    default: 10.0
  ignore:
    description: Checks whose findings are not wanted.
    type: list
    elements: str
    choices:
      - system
      - architecture
      - cpus
      - memory
      - disk
      - ports
      - kernel
      - cgroup
      - swap
      - clock
      - resolver
      - hostname
      - runtime
      - kubernetes
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
    description: Sets the fact C(slipway_host), as M(slipway.cloud.host_facts) does.
seealso:
  - module: slipway.cloud.host_facts
"""

EXAMPLES = r"""
- name: Look at the host
  slipway.cloud.check_host:
    groups: "{{ group_names }}"
    needs:
      - {group: control_plane, installer: kubeadm, cpus: 2, memory_mib: 1700, ports: [6443, 10250]}
      - {group: workers, installer: kubeadm, ports: [10250]}
    systems:
      debian: ["12", "13"]
      ubuntu: ["22.04", "24.04"]
  become: true
  register: checked

- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ checked.findings | slipway.cloud.table }}"
"""

RETURN = r"""
findings:
  description: What is wrong, one entry each.
  returned: always
  type: list
  elements: dict
  contains:
    host:
      description: The host's name in the inventory.
      type: str
      returned: always
    level:
      description: V(error) for what cannot work, V(warning) for what could be better.
      type: str
      returned: always
    check:
      description: One of the values of O(ignore), or V(connection), V(root) or V(python).
      type: str
      returned: always
    found:
      description: What was seen.
      type: str
      returned: always
    remedy:
      description: What to do.
      type: str
      returned: always
  sample:
    - host: node1
      level: error
      check: memory
      found: 976 MiB, 1700 needed
      remedy: give the machine more memory
ansible_facts:
  description: Facts about the host, see M(slipway.cloud.host_facts).
  returned: when the host could be looked at
  type: dict
"""
