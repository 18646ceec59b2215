# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: custom_resource
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Take custom resources through their life, and wait for what each step brings about
description:
  - Creates, changes, scales, restarts and deletes objects from JSON or YAML, custom resources above all. Waits until a
    change has taken effect, not only until the API server has accepted it.
  - SeldonDeployment and Argo Rollout are known by their own ways; other kinds by O(ready_when) and O(fail_when).
options:
  state:
    description:
      - V(present) makes the objects as declared; V(absent) deletes them, with all that they control.
      - V(ready) waits for objects that are there, and changes nothing.
      - V(scaled) gives objects that are there O(replicas), V(patched) merges O(patch) into them, V(restarted) has their
        pods replaced. These and V(absent) use no more of the documents than kind, namespace and name.
    type: str
    choices: [present, ready, scaled, patched, restarted, absent]
    default: present
  replicas:
    description:
      - The number of replicas for V(scaled); for V(present), instead of what the documents say.
      - Of V(present) documents only those that run something get it.
      - It is written where the kind takes it from. A SeldonDeployment has it in each predictor that names its own.
    type: int
  patch:
    description: The changes for V(patched), a JSON Merge Patch as of RFC 7386.
    type: dict
extends_documentation_fragment:
  - slipway.cloud.documents
  - slipway.cloud.rules
  - slipway.cloud.connection
  - slipway.cloud.wait
  - slipway.cloud.told
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: Create a SeldonDeployment, and wait until its pods are available
  slipway.cloud.custom_resource:
    src: [model.json]
    namespace: models

- name: Scale it, and wait until there are exactly two
  slipway.cloud.custom_resource:
    src: [model.json]
    namespace: models
    state: scaled
    replicas: 2

- name: Wait for a resource of a kind that nobody here knows
  slipway.cloud.custom_resource:
    src: [database.yaml]
    ready_when:
      - jsonpath: .status.phase
        value: Running
    fail_when:
      - jsonpath: .status.phase
        operator: in
        value: [Failed, Lost]

- name: Delete it, and wait until the last pod is gone
  slipway.cloud.custom_resource:
    src: [model.json]
    namespace: models
    state: absent
"""

RETURN = r"""
code:
  description: What went wrong before anything was changed, in lower snake case.
  returned: failure
  type: str
  sample: not_ours
objects:
  description: The objects, as of M(slipway.cloud.manifest).
  returned: once anything was changed, or nothing had to be
  type: list
  elements: dict
  sample:
    - kind: SeldonDeployment
      name: model
      namespace: models
      state: available
      action: scaled
      phases: {applied: 0.021, available: 3.4}
      cause: null
"""
