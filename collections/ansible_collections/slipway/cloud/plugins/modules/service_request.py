# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: service_request
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Send an HTTP request to a Service, and check its answer
description:
  - Asks a Service from where Ansible runs, so that what was deployed can be tried, as a model that is to predict.
  - While the Service has no pod that is ready it asks again. Any answer counts, and is compared with O(status) and
    O(contains).
  - In check mode only requests that change nothing are sent.
options:
  service:
    description: Name of the Service.
    type: str
    required: true
  namespace:
    description: Its namespace, by default that of the context.
    type: str
  port:
    description: Number or name of its port. A Service with a single port needs none.
    type: str
  scheme:
    description: What is spoken at the port.
    type: str
    choices: [http, https]
    default: http
  via:
    description:
      - V(proxy) sends the request through the API server, which needs nothing but the kubeconfig.
      - V(address) sends it to the address that a load balancer gave the Service.
    type: str
    choices: [proxy, address]
    default: proxy
  method:
    description: The method of the request.
    type: str
    default: GET
  path:
    description: Path and query of the request.
    type: str
    default: /
  headers:
    description: Headers of the request.
    type: dict
    default: {}
  body:
    description: What is sent, text as it is and anything else as JSON.
    type: raw
  status:
    description: The status codes that are expected.
    type: list
    elements: int
    default: [200]
  contains:
    description: Text that the answer must contain.
    type: str
  wait_timeout:
    description: Seconds to wait for a pod that answers.
    type: float
    default: 60.0
extends_documentation_fragment:
  - slipway.cloud.connection
  - slipway.cloud.told
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: Ask a model for a prediction
  slipway.cloud.service_request:
    service: model-default
    namespace: models
    port: 8000
    method: POST
    path: /api/v1.0/predictions
    body:
      data: {ndarray: [[1, 2, 3, 4]]}
    contains: ndarray
"""

RETURN = r"""
body:
  description: What was answered.
  returned: once there was an answer
  type: str
code:
  description: Why there was none, in lower snake case.
  returned: failure
  type: str
  sample: not_found
seconds:
  description: The seconds until the answer.
  returned: once there was an answer
  type: float
status:
  description: The status code of the answer.
  returned: once there was an answer
  type: int
"""
