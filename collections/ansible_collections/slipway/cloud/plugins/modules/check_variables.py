# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: check_variables
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Refuse variables that no role knows
description:
  - Compares the variables of all hosts of a play with the argument specs of all roles in a directory, once a play.
  - Fails, naming all of them at once, if a variable begins with a role's name but is not one of its options, if a name
    is nearly that of an option, or if a value does not fit its option.
  - Runs on the controller and opens no connection.
options:
  roles_dir:
    description: The directory that holds the roles.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Refuse a typo before anything is changed
  slipway.cloud.check_variables:
    roles_dir: "{{ role_path | dirname }}"
"""

RETURN = r"""
roles:
  description: The roles whose argument specs were read.
  returned: success
  type: list
  elements: str
  sample: [bundle, host, kubeadm]
"""
