# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the attributes that the modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """What a module supports."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    description: Can predict what it would change without changing it.
  diff_mode:
    support: full
    description: Says in detail what it changed, or would change.
"""

    ACTION_GROUP = r"""
attributes:
  action_group:
    description: Use C(group/slipway.cloud.k8s) in C(module_defaults) to set options of all its modules at once.
    support: full
    membership:
      - slipway.cloud.k8s
"""

    CONTROLLER = r"""
attributes:
  async:
    description: Can be left running in the background by C(async).
    support: none
  become:
    description: Can be run as another user by C(become).
    support: none
  delegation:
    description: Can be run elsewhere by C(delegate_to).
    support: none
    details: Runs in the controller's own process, whatever the host of the task.
"""
