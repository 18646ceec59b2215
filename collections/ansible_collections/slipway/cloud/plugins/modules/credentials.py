# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: credentials
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Keep credentials in a Secret
description:
  - Of each value, what is given wins; else what the Secret holds already; else it is made up, and is nowhere but there.
  - A Secret that holds all of it may be anybody's.
options:
  values:
    description: The values by their key in the Secret. An empty one is kept as it is there, or made up.
    type: dict
    required: true
  length:
    description: How many letters and digits a value has that is made up.
    type: int
    default: 32
  copies:
    description: Other Secrets, which hold the values in the form that somebody reads.
    type: list
    elements: dict
    default: []
    suboptions:
      namespace:
        description: Where it is; O(namespace) unless given.
        type: str
      name:
        description: Name of that Secret.
        type: str
        required: true
      key:
        description: The key that it has.
        type: str
        required: true
      content:
        description:
          - What that holds. V(${x}) in its texts is the value V(x) of O(values).
          - Other data than text is written as JSON.
        type: raw
        required: true
extends_documentation_fragment:
  - slipway.cloud.secrets
  - slipway.cloud.secrets.namespace
  - slipway.cloud.secrets.name
  - slipway.cloud.connection
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: Have a password, ours or a new one, and a file with it for the client
  slipway.cloud.credentials:
    namespace: shop
    name: database
    values:
      username: shop
      password: "{{ vault_database_password | default('') }}"
    copies:
      - name: till
        key: login.json
        content:
          host: database.shop.svc
          login: ${username}:${password}
"""

RETURN = r"""
secrets:
  description: What was done about each Secret, that of O(name) first.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the Secret.
      type: str
    namespace:
      description: Where it is.
      type: str
    changed:
      description: Whether what it holds changes.
      type: bool
    version:
      description:
        - Its resourceVersion, for an annotation of pods that read it only when they start.
        - Empty if it is yet to be made.
      type: str
code:
  description: What went wrong, in lower snake case.
  returned: failure
  type: str
  sample: not_ours
"""
