# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter that decides what a bundle is to be made of."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bundle_plan
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: What a bundle is to be made of
description: Decides from the table of tools and images what is downloaded, built and kept.
positional: _input
options:
  _input:
    description: Rows of tools, as in the role C(bundle).
    type: list
    elements: dict
    required: true
  images:
    description: Rows of images.
    type: list
    elements: dict
    required: true
  source:
    description: Where tools come from, V(source) or V(release).
    type: str
    required: true
  tags:
    description: Tags of the rows that are wanted.
    type: list
    elements: str
    required: true
  versions:
    description: Versions in place of those of the rows, by the tool's name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be built
  ansible.builtin.debug:
    msg: "{{ tools | slipway.cloud.bundle_plan(images=[], source='source', tags=['core'], versions={}) }}"
"""

RETURN = r"""
_value:
  description: The rows in C(download), C(build) and C(images), and what is kept in C(keep_tools) and C(keep_images).
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils._bundle_plan import Plan, PlanError, Row, plan

if t.TYPE_CHECKING:
    from collections.abc import Callable


def bundle_plan(tools: list[Row], **options: t.Any) -> Plan:
    """Return the plan of a bundle."""
    try:
        return plan(tools, **options)
    except PlanError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter bundle_plan."""

    def filters(self) -> dict[str, Callable[..., Plan]]:
        """Return the filters by name."""
        return {"bundle_plan": bundle_plan}
