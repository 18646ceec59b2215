# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Look at clusters of pods, what state they are in, and why
description:
  - Lists the clusters of a namespace that M(slipway.cloud.cluster) made, and judges each as that module would.
  - Changes nothing and waits for nothing.
options:
  name:
    description: The cluster to look at; all of the namespace without it.
    type: str
  namespace:
    description: The namespace, by default that of the context.
    type: str
extends_documentation_fragment:
  - slipway.cloud.connection
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: Look at the clusters of a namespace
  slipway.cloud.cluster_info:
    namespace: clusters
  register: found

- name: Show those that are in trouble, and why
  ansible.builtin.debug:
    msg: "{{ found.clusters | rejectattr('state', 'eq', 'available') | slipway.cloud.table }}"
"""

RETURN = r"""
code:
  description: What went wrong, in lower snake case.
  returned: failure
  type: str
  sample: forbidden
clusters:
  description: The clusters by name. A cluster that does not exist is not among them.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the cluster.
      type: str
    namespace:
      description: Its namespace.
      type: str
    state:
      description: V(available), V(pending) or V(failed).
      type: str
    summary:
      description: The same in words.
      type: str
      sample: 2 of 3 replicas available
    cause:
      description: What is wrong, or null; as of M(slipway.cloud.cluster).
      type: dict
    uid:
      description: The uid of its Deployment.
      type: str
    generation:
      description: The generation of its Deployment.
      type: int
    replicas:
      description: The number of pods that it is to have.
      type: int
    available:
      description: The number of pods that are available.
      type: int
    image:
      description: The image of its pods.
      type: str
    node_selector:
      description: Labels that a node must carry.
      type: dict
    created:
      description: When it was made.
      type: str
"""
