# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_list
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Writes and signs the list of image archives
description:
  - Lists the sha256 of each image archive in a file and signs that with cosign, without a network.
  - The pair of keys is made once. Its private key has no password; it is readable by its owner alone and goes nowhere.
  - As long as the images and the keys stay the same, nothing is written.
requirements:
  - cosign
options:
  path:
    description:
      - The list, in the directory that the paths of archives are relative to.
      - Its signature is beside it, as C(.sigstore.json).
    type: path
    required: true
  images:
    description:
      - The images by name, each with its archive as C(file) or C(archive), the C(sha256) of that, and the C(digest) of
        its configuration.
      - Images of the former list stay in it while their archives are there.
    type: dict
    required: true
  keys:
    description: Directory of the pair of keys, C(images.key) and C(images.pub).
    type: path
    required: true
  cosign:
    description: Name or path of the program cosign.
    type: path
    default: cosign
attributes:
  check_mode:
    support: full
    description: Returns an empty list where one is yet to be signed.
  diff_mode:
    support: none
    description: The list is long and made of hashes.
"""

EXAMPLES = r"""
- name: Sign what the bundle has
  slipway.cloud.image_list:
    path: "{{ lookup('slipway.cloud.cache_path', 'bundle/images.json') }}"
    images:
      registry.k8s.io/pause:3.10.2:
        file: images/pause-3.10.2.tar
        sha256: 8539d87b26b4e85fcd55f0587850eae667a7a5e97565dce6d5b02a1c0c688f5f
        digest: sha256:08cb48735a909bf6a95eec8d3ab04d435bfb5fb6bc3e9880d17d2d50dc8b9d73
    keys: "{{ lookup('slipway.cloud.cache_path', 'keys') }}"
"""

RETURN = r"""
signed:
  description: The list, for O(slipway.cloud.node_images#module:signed).
  returned: success
  type: dict
  contains:
    manifest:
      description: The list.
      type: str
    signature:
      description: Its signature, a Sigstore bundle.
      type: str
    public_key:
      description: The public key, PEM.
      type: str
"""

import typing as t
from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._signing import SigningError, archives_of, sign


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "images": {"type": "dict", "required": True},
            "keys": {"type": "path", "required": True, "no_log": False},
            "cosign": {"type": "path", "default": "cosign"},
        },
        supports_check_mode=True,
    )
    options = module.params
    paths = {name: Path(options[name]) for name in ("path", "keys")}
    try:
        images = archives_of(options["images"])
        changed, signed = sign(images, cosign=options["cosign"], check_mode=module.check_mode, **paths)
    except (SigningError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, signed=asdict(signed))


if __name__ == "__main__":
    main()
