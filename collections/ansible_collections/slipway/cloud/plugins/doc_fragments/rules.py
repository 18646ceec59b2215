# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options in module_utils/_spec.py, RULES."""

from __future__ import annotations


class ModuleDocFragment:
    """When a custom resource is ready, and when it has failed."""

    DOCUMENTATION = r"""
options:
  ready_when:
    description:
      - Custom resources are ready when all of these hold, once their controller has seen the change.
      - Without any the rule of the kind tells, else the conventions of kstatus. Where neither does, there is a warning.
    type: list
    elements: dict
    default: []
    suboptions: &expression
      jsonpath:
        description:
          - A place in the object, in C(kubectl)'s JSONPath, as V(.status.phase).
          - All that is found there must satisfy the rest, and there must be something.
        type: str
        required: true
      operator:
        description:
          - One of V(==), V(!=), V(<), V(<=), V(>), V(>=), V(in) a list, V(matches) a regular expression, V(exists) and
            V(absent).
        type: str
        default: '=='
      value:
        description: What to compare with.
        type: raw
  fail_when:
    description: Custom resources have failed, and are waited for no longer, when any of these holds.
    type: list
    elements: dict
    default: []
    suboptions: *expression
"""
