# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: access
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Ask what credentials may not do
description:
  - Asks the API server about each right, as C(kubectl auth can-i) does, and returns a row for each one that is refused.
  - Nothing is changed, and a refusal is no failure; credentials that are not accepted at all are one.
options:
  rights:
    description: The rights to ask about.
    type: list
    elements: dict
    required: true
    suboptions:
      why:
        description: What the right is for.
        type: str
        required: true
      namespaces:
        description: Where. An empty name asks for all namespaces, and for what is in none.
        type: list
        elements: str
        default: ['']
      rules:
        description: The right as rules of a Role.
        type: list
        elements: dict
        required: true
        suboptions:
          apiGroups:
            description: The groups of the API; the first one has an empty name.
            type: list
            elements: str
            required: true
          resources:
            description: The resources in their plural, as V(pods/log) where a part of them is meant.
            type: list
            elements: str
            required: true
          verbs:
            description: What is to be done to them.
            type: list
            elements: str
            required: true
      needed:
        description: Whether there is no way to do without the right.
        type: bool
        default: true
      unless:
        description: Objects that make the right unnecessary where they are there already, with these fields.
        type: list
        elements: dict
        default: []
extends_documentation_fragment:
  - slipway.cloud.connection
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: Ask whether clusters can be made
  slipway.cloud.access:
    rights:
      - why: clusters are Deployments
        namespaces: [clusters]
        rules:
          - {apiGroups: [apps], resources: [deployments], verbs: [get, create, patch, delete]}
      - why: the namespace of the clusters
        rules:
          - {apiGroups: [''], resources: [namespaces], verbs: [create]}
        unless:
          - {apiVersion: v1, kind: Namespace, metadata: {name: clusters}}
  register: access

- name: Show what is refused
  ansible.builtin.debug:
    msg: "{{ access.denied | slipway.cloud.table }}"
"""

RETURN = r"""
code:
  description: What went wrong, in lower snake case.
  returned: failure
  type: str
  sample: unauthorized
denied:
  description: What is not allowed.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: What is to be done.
      type: str
    resource:
      description: To what, as C(kubectl) writes it.
      type: str
      sample: deployments.apps
    namespace:
      description: Where; none for all namespaces, and for what is in none.
      type: str
    why:
      description: What the right is for.
      type: str
    needed:
      description: Whether there is no way to do without it, as things are.
      type: bool
lacking:
  description: What is lacking of the objects that would make a refused right unnecessary.
  returned: success
  type: list
  elements: str
  sample: [Namespace clusters does not exist]
origin:
  description: Where the credentials came from.
  returned: success
  type: str
  sample: context prod of /home/ada/.kube/config
"""
