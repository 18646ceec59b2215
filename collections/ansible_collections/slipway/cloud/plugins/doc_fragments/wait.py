# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options in module_utils/_spec.py, WAIT."""

from __future__ import annotations


class ModuleDocFragment:
    """How to change and to wait for several objects."""

    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Wait until the change has taken effect.
      - V(false) returns as soon as the API server has accepted it.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait at most, from the first request, for each object that names no time of its own.
    type: float
    default: 300.0
  fail_fast:
    description:
      - When to stop waiting for an object that is in trouble. The others are waited for all the same.
      - V(unrecoverable) stops for what cannot come right by itself, as an invalid image name.
      - V(any) stops at the first trouble, as an image pull that failed once.
      - V(never) waits until O(wait_timeout).
    type: str
    choices: [unrecoverable, any, never]
    default: unrecoverable
  patience:
    description:
      - Seconds that a trouble may stand before it counts as fatal, by the code of its cause, where the default does not
        suit.
      - An autoscaler may bring the node of a C(node_label_missing) in some minutes.
    type: dict
    default: {}
  concurrency:
    description: How many requests may be under way at the same time.
    type: int
    default: 8
"""
