# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options in module_utils/_spec.py, DOCUMENTS."""

from __future__ import annotations


class ModuleDocFragment:
    """Where documents come from, and what is checked before they are sent."""

    DOCUMENTATION = r"""
options:
  definition:
    description: Documents as YAML or JSON text, as a dictionary, or as a list of dictionaries.
    type: raw
  src:
    description:
      - Files with documents, or directories whose files V(*.yaml), V(*.yml) and V(*.json) are taken by name.
      - A relative path is looked for where C(ansible.builtin.copy) would.
    type: list
    elements: path
    default: []
  namespace:
    description: The namespace of documents that name none; that of the context, or C(default), without it.
    type: str
  validate:
    description:
      - Compare documents of Kubernetes' own kinds with their schemas before the first request.
      - V(false) leaves it to the server alone, as for a Kubernetes that is newer than C(kubernetes-validate).
    type: bool
    default: true
requirements:
  - kubernetes-validate >= 1.37.0, in the Python that runs Ansible, unless O(validate=false)
notes:
  - An object may name its own O(wait_timeout) in the annotation C(slipway.dev/wait-timeout), in seconds.
"""
