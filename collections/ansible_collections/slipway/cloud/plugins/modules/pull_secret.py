# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: pull_secret
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Let the pods of namespaces pull from a private registry
description:
  - Puts the login into a Secret in each namespace, and has a ServiceAccount there name it.
  - Other pull secrets of the ServiceAccount stay.
options:
  state:
    description: V(absent) removes the Secret and its mention.
    type: str
    choices: [present, absent]
    default: present
  namespaces:
    description: Where.
    type: list
    elements: str
    required: true
  service_account:
    description: The ServiceAccount whose pods are to pull with it.
    type: str
    default: default
  registry:
    description: URL of the registry.
    type: str
  username:
    description: Who may pull.
    type: str
  password:
    description: The password, or token, of O(username).
    type: str
extends_documentation_fragment:
  - slipway.cloud.secrets
  - slipway.cloud.secrets.name
  - slipway.cloud.connection
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: Let clusters run images of our own registry
  slipway.cloud.pull_secret:
    name: registry
    namespaces: [clusters]
    registry: https://registry.example:5000
    username: puller
    password: "{{ registry_password }}"
"""

RETURN = r"""
code:
  description: What went wrong, in lower snake case.
  returned: failure
  type: str
  sample: not_ours
"""
