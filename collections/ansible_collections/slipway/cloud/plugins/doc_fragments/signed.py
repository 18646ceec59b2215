# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options by which a node verifies image archives."""

from __future__ import annotations


class ModuleDocFragment:
    """Which list, and whose key."""

    DOCUMENTATION = r"""
options:
  signed:
    description:
      - The signed list of image archives, as M(slipway.cloud.image_list) returns it.
      - It is verified before anything else. An image that it does not have is refused, and one whose archive has
        another sha256.
      - In check mode list and program may be yet to come, and then nothing is verified.
    type: dict
    suboptions:
      manifest:
        description: The list.
        type: str
        default: ''
      signature:
        description: Its signature.
        type: str
        default: ''
      public_key:
        description: The public key of who signed it, PEM.
        type: str
        default: ''
  trusted_key:
    description: Where the node keeps the key of the first list. A list with another key is refused from then on.
    type: path
    default: /etc/slipway/images.pub
  trust_new_key:
    description: Whether the node takes the key of this list, whatever it trusted before.
    type: bool
    default: false
  cosign:
    description: Name or path of the program cosign.
    type: path
    default: cosign
"""
