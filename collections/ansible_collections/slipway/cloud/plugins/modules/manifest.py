# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: manifest
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Apply or delete Kubernetes manifests, and wait for what they declare
description:
  - Applies documents of any kinds by server-side apply, then waits once for all of them.
  - Namespaces and custom resource definitions go first, then what pods refer to, then workloads, and last the custom
    resources, for which a webhook may have to be up. Deletion goes the other way.
  - Whatever the server can judge is rehearsed before anything is changed. An object of the same name that was not
    made by Slipway is neither changed nor deleted, see O(foreign).
options:
  state:
    description: Whether the objects are to be there or not.
    type: str
    choices: [present, absent]
    default: present
  patches:
    description: Changes to documents before they are applied, so that upstream's files can stay as they are.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: The kind of the document.
        type: str
        required: true
      name:
        description: Its name.
        type: str
        required: true
      operations:
        description: Operations of a JSON Patch, RFC 6902.
        type: list
        elements: dict
        required: true
        suboptions:
          op:
            description: What to do.
            type: str
            choices: [add, replace, remove]
            required: true
          path:
            description: Where, as a JSON Pointer.
            type: str
            required: true
          value:
            description: The value to add, or to put in the place of another.
            type: raw
  declared_by:
    description: In whose name the objects are declared, a DNS label. They get it in C(slipway.dev/declared-by).
    type: str
  prune:
    description:
      - Delete what was declared before in the name of O(declared_by) and is no longer among the documents.
      - That is done last, and only if all else has succeeded.
    type: bool
    default: false
  foreign:
    description:
      - What becomes of objects of the same names that were not made by Slipway. None is ever deleted.
      - With V(refuse) a single one of them makes the task fail before anything is changed.
      - V(adopt) takes them over.
      - V(skip) leaves them alone.
    type: str
    choices: [refuse, adopt, skip]
    default: refuse
extends_documentation_fragment:
  - slipway.cloud.documents
  - slipway.cloud.connection
  - slipway.cloud.wait
  - slipway.cloud.told
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: Install an operator and its first custom resource, and wait for both
  slipway.cloud.manifest:
    src: [operator.yaml]
    definition:
      apiVersion: example.org/v1
      kind: Database
      metadata:
        name: main
        namespace: databases
      spec:
        size: 3

- name: Apply upstream's manifest with another log level
  slipway.cloud.manifest:
    src: [/opt/controller/deploy]
    patches:
      - kind: Deployment
        name: controller
        operations:
          - op: add
            path: /spec/template/spec/containers/0/args/-
            value: --log-level=warn

- name: Apply a directory, and delete what is no longer in it
  slipway.cloud.manifest:
    src: [app]
    declared_by: app
    prune: true

- name: Delete everything that a template declares
  slipway.cloud.manifest:
    definition: "{{ lookup('ansible.builtin.template', 'app.yaml.j2') }}"
    state: absent
"""

RETURN = r"""
code:
  description: What went wrong before anything was changed, in lower snake case.
  returned: failure
  type: str
  sample: not_ours
objects:
  description: The objects, those that others stand on first.
  returned: once anything was changed, or nothing had to be
  type: list
  elements: dict
  contains:
    kind:
      description: Its kind.
      type: str
    name:
      description: Its name.
      type: str
    namespace:
      description: Its namespace, empty if it has none.
      type: str
    state:
      description:
        - V(available), V(absent) or V(failed).
        - V(pending) where nobody waited, as in check mode.
      type: str
    action:
      description:
        - What was done, or would be in check mode, one of V(created), V(changed), V(unchanged), V(deleted), V(absent)
          or V(none).
      type: str
    phases:
      description:
        - When each phase was reached, in seconds since the first request of its stage.
        - V(applied) is when the API server accepted the change, V(available) when it had taken effect.
      type: dict
      sample: {applied: 0.043, available: 2.87}
    cause:
      description: Why it failed, or null; as of M(slipway.cloud.cluster).
      type: dict
"""
