# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: lifecycle_plan
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Read a file of objects and the steps to take them through
description:
  - Reads what C(playbooks/lifecycle.yml) is given, and refuses everything that is wrong with it before the first step.
  - The file is YAML or JSON. One mapping without a kind may name C(steps), C(namespace), C(resources) (any objects),
    C(clusters) (as for M(slipway.cloud.cluster)), C(ready_when) and C(fail_when) (as for
    M(slipway.cloud.custom_resource)); all other documents are objects themselves.
  - Without C(steps) they are C(create), C(wait), C(scale) to 2, C(wait) and C(delete).
  - A step is a name, or a name with a value or with options. C(create) takes C(replicas), C(scale) takes C(replicas),
    C(patch) takes a merge patch, C(pause) takes C(seconds) or a C(prompt), and C(request) takes the options of
    M(slipway.cloud.service_request). C(wait), C(restart) and C(delete) take none. All but C(patch) and C(pause) take a
    C(timeout).
  - No request is made.
options:
  src:
    description: The file.
    type: path
    required: true
  validate:
    description: Compare objects of Kubernetes' own kinds with their schemas.
    type: bool
    default: true
requirements:
  - kubernetes-validate >= 1.37.0, in the Python that runs Ansible, unless O(validate=false)
extends_documentation_fragment:
  - slipway.cloud.attributes
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
# model.yaml:
#   steps:
#     - create
#     - request: {service: model-default, port: 8000, path: /, contains: ready}
#     - scale: 2
#     - pause: 10
#     - delete
#   resources:
#     - apiVersion: machinelearning.seldon.io/v1
#       kind: SeldonDeployment
#       metadata: {name: model}
#       spec: ...
- name: Read the file
  slipway.cloud.lifecycle_plan:
    src: model.yaml
  register: plan
"""

RETURN = r"""
code:
  description: What went wrong, in lower snake case.
  returned: failure
  type: str
  sample: invalid_input
documents:
  description: The objects, clusters as their Deployments.
  returned: success
  type: list
  elements: dict
namespace:
  description: The namespace of objects that name none, or null.
  returned: success
  type: str
ready_when:
  description: When custom resources are ready, as of M(slipway.cloud.custom_resource).
  returned: success
  type: list
  elements: dict
fail_when:
  description: When they have failed.
  returned: success
  type: list
  elements: dict
steps:
  description: The steps, each with its options.
  returned: success
  type: list
  elements: dict
  contains:
    number:
      description: Its place, from 1.
      type: int
    step:
      description: Its name.
      type: str
      sample: scale
    state:
      description: The O(slipway.cloud.custom_resource#module:state) that it brings about, or empty.
      type: str
      sample: scaled
takers:
  description: By the name of a step, the objects that it is taken with; a ConfigMap, for one, cannot be scaled.
  returned: success
  type: dict
  sample:
    create: [{kind: Deployment}, {kind: ConfigMap}]
    scale: [{kind: Deployment}]
"""
