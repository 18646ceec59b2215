# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of what the modules that keep Secrets share; its options are in module_utils/_spec.py, SECRETS."""

from __future__ import annotations


class ModuleDocFragment:
    """What holds for Secrets, where they are and what they are called."""

    DOCUMENTATION = r"""
attributes:
  diff_mode:
    support: none
    description: It would show what the Secrets hold.
notes:
  - A Secret of such a name that is not ours is not touched.
  - What Secrets hold is in no log, no message and no result.
"""

    NAMESPACE = r"""
options:
  namespace:
    description: Where the Secrets are.
    type: str
    required: true
"""

    NAME = r"""
options:
  name:
    description: Name of the Secret.
    type: str
    required: true
"""
