# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_plan
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Look whether Redis fits what a Kubernetes has
description:
  - Fails where a StatefulSet of somebody else has one of the names, where one of ours has volumes of another size or
    class, and where there is no StorageClass for new ones; each time with the remedy.
  - Tells where there are too few nodes for a Redis that is highly available.
  - Changes nothing.
options:
  namespace:
    description: Where Redis runs.
    type: str
    required: true
  sets:
    description: The StatefulSets, as they are wanted.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the StatefulSet.
        type: str
        required: true
      replicas:
        description: How many pods it is to have.
        type: int
        required: true
      size:
        description: How much the volume of each holds.
        type: str
        required: true
  storage_class:
    description: The class of the volumes; empty means the default of the Kubernetes.
    type: str
    default: ""
  check_class:
    description: Whether that class must be there, before there is any StatefulSet.
    type: bool
    default: true
  spread:
    description:
      - Whether no two pods of a set may share a node.
      - V(auto) means V(required) where there are nodes enough, and V(preferred) elsewhere.
    type: str
    choices: [auto, required, preferred]
    default: auto
  node_selector:
    description: The labels of the nodes that pods may run on.
    type: dict
    default: {}
extends_documentation_fragment:
  - slipway.cloud.connection
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: Look whether it fits
  slipway.cloud.redis_plan:
    namespace: redis
    sets:
      - {name: redis, replicas: 3, size: 2Gi}
      - {name: redis-sentinel, replicas: 3, size: 64Mi}
"""

RETURN = r"""
virgin:
  description: Whether nothing of an earlier Redis is there, neither StatefulSets nor volumes.
  returned: success
  type: bool
addresses:
  description: The cluster addresses of the Services of the namespace, by their names.
  returned: success
  type: dict
refusing_address:
  description:
    - The address of a node, which refuses connections to ports that nobody has.
    - Empty where the credentials may not list nodes.
  returned: success
  type: str
spread:
  description: What O(spread) comes to, V(required) or V(preferred).
  returned: success
  type: str
leaving:
  description: The pods that there are to be no longer, and which still have Services.
  returned: success
  type: list
  elements: str
claims:
  description: The PersistentVolumeClaims of the namespace.
  returned: success
  type: list
  elements: str
told:
  description: What works and is to be known, as that there are too few nodes for a Redis that is highly available.
  returned: success
  type: list
  elements: str
code:
  description: What went wrong, in lower snake case.
  returned: failure
  type: str
  sample: invalid_input
"""
