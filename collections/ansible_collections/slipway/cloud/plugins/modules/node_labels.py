# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: node_labels
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Declare labels and taints of nodes
description:
  - Gives nodes the declared labels and taints, and takes away those that were declared before and no longer are.
  - What others have set is left alone. What was set is noted in an annotation of the node.
options:
  nodes:
    description: Names of the nodes.
    type: list
    elements: str
  selector:
    description: A label selector that chooses the nodes instead, as V(node-role.kubernetes.io/control-plane).
    type: str
  labels:
    description: The labels that the nodes are to have.
    type: dict
    default: {}
  taints:
    description: The taints that the nodes are to have.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description: Key of the taint.
        type: str
        required: true
      value:
        description: Its value.
        type: str
      effect:
        description: What becomes of pods that do not tolerate it.
        type: str
        choices: [NoSchedule, PreferNoSchedule, NoExecute]
        required: true
  declared_by:
    description:
      - In whose name the labels are declared, a DNS label.
      - Tasks that declare different labels for the same node need different names, else each takes away the other's.
    type: str
    default: slipway
extends_documentation_fragment:
  - slipway.cloud.connection
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: Let clusters run on two nodes
  slipway.cloud.node_labels:
    nodes: [node2, node3]
    labels:
      slipway.dev/clusters: allowed

- name: Take the label away again
  slipway.cloud.node_labels:
    nodes: [node2, node3]
    labels: {}

- name: Keep other pods off the nodes for batch work
  slipway.cloud.node_labels:
    selector: example.org/pool=batch
    taints:
      - key: example.org/batch
        effect: NoSchedule
    declared_by: batch
"""

RETURN = r"""
code:
  description: What went wrong before anything was changed, in lower snake case.
  returned: failure
  type: str
  sample: forbidden
nodes:
  description: The nodes as they are now, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the node.
      type: str
    changed:
      description: Whether anything had to be changed.
      type: bool
    labels:
      description: All its labels.
      type: dict
    taints:
      description: All its taints.
      type: list
      elements: dict
"""
