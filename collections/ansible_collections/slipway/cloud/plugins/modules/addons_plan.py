# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: addons_plan
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Decide which add-ons a Kubernetes lacks
description:
  - Looks for a default StorageClass, a load balancer and the metrics API, and says what is to be installed and why.
  - Fails where something is lacking that the credentials may not install. What they may not even look at is taken to
    be there.
  - Changes nothing.
options:
  storage:
    description: Whether to install local-path; V(auto) means where there is no default StorageClass of somebody else.
    type: str
    choices: [auto, 'true', 'false']
    default: auto
  load_balancer:
    description:
      - Whether to install MetalLB.
      - V(auto) means where O(address_pool) names addresses and nobody else gives any, neither the nodes' cloud nor a
        load balancer that is known by its custom resources.
    type: str
    choices: [auto, 'true', 'false']
    default: auto
  metrics:
    description: Whether to install metrics-server; V(auto) means where nobody else serves the metrics API.
    type: str
    choices: [auto, 'true', 'false']
    default: auto
  address_pool:
    description: The addresses that MetalLB may give.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - slipway.cloud.connection
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: Look what is lacking
  slipway.cloud.addons_plan:
    address_pool: [192.0.2.10-192.0.2.20]
  register: plan
"""

RETURN = r"""
code:
  description: What went wrong, in lower snake case.
  returned: failure
  type: str
  sample: invalid_input
addons:
  description: What becomes of each add-on.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the add-on, V(local-path), V(metallb) or V(metrics-server).
      type: str
    install:
      description: Whether it is to be installed, or kept as it is declared.
      type: bool
    missing:
      description: Whether it is lacking and may not be installed with these credentials.
      type: bool
    reason:
      description: Why.
      type: str
default_class:
  description: The default StorageClass that somebody else made, empty if there is none.
  returned: success
  type: str
announced_by_excluded:
  description: Whether every node has the label that keeps it from announcing addresses, so that it must be ignored.
  returned: success
  type: bool
"""
