# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options in module_utils/_spec.py, CONNECTION."""

from __future__ import annotations


class ModuleDocFragment:
    """How to reach the API server."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - The kubeconfig file to use.
      - Without it E(K8S_AUTH_KUBECONFIG), E(KUBECONFIG) and C(~/.kube/config) are tried in this order, then the service
        account of the pod that the module runs in.
    type: path
  context:
    description: The context of the kubeconfig to use instead of its current one.
    type: str
  connect_timeout:
    description: Seconds to wait for a connection to the API server.
    type: float
    default: 5.0
  request_timeout:
    description: Seconds to wait for the answer to a single request.
    type: float
    default: 30.0
  impersonate_user:
    description: The user to act as.
    type: str
  impersonate_groups:
    description: The groups to act as; they need O(impersonate_user).
    type: list
    elements: str
    default: []
requirements:
  - kubernetes >= 37.0, in the Python that runs Ansible
notes:
  - Runs on the controller, as any user who can read the kubeconfig.
"""
