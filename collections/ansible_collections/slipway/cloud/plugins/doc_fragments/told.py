# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options in module_utils/_spec.py, TOLD."""

from __future__ import annotations


class ModuleDocFragment:
    """How to be told what happens, while it happens."""

    DOCUMENTATION = r"""
options:
  progress:
    description:
      - Show every change of state while it happens, a line each, in colour where Ansible's own output has it.
      - C(executed) is when the API server accepted a change, C(took effect) when it was true of the last pod.
    type: bool
    default: true
  events_path:
    description: A file to which every change of state is appended while it happens, one JSON object a line.
    type: path
"""
