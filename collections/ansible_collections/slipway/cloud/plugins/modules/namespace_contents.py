# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: namespace_contents
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: What is in a namespace, and whose it is
description:
  - Lists the objects of all kinds in namespaces, less what Kubernetes keeps there itself and what other objects own.
  - Nothing is changed. A namespace that does not exist is empty.
options:
  namespaces:
    description: Names of the namespaces.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - slipway.cloud.connection
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: See whether anything of others is in the namespace
  slipway.cloud.namespace_contents:
    namespaces: [clusters]
  register: contents
"""

RETURN = r"""
ours:
  description: The objects that Slipway made, by what identifies them.
  returned: success
  type: list
  elements: dict
  sample: [{apiVersion: apps/v1, kind: Deployment, metadata: {name: demo, namespace: clusters}}]
shared:
  description: For each namespace with something of others in it, what that is.
  returned: success
  type: dict
  sample:
    clusters: [Deployment web, what Secrets there are]
"""
