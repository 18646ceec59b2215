# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_archives
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Verify image archives on a node by a signed list
description:
  - Fails where the signed list, or an archive that is to be imported, was changed.
  - For nodes into which another program than M(slipway.cloud.node_images) imports them.
requirements:
  - cosign on the node
extends_documentation_fragment:
  - slipway.cloud.signed
options:
  images:
    description: The images.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Full name, with registry host and tag.
        type: str
        required: true
      archive:
        description: Path of its archive on the node.
        type: path
        required: true
attributes:
  check_mode:
    support: full
    description: Verifies, but does not keep a key.
  diff_mode:
    support: none
    description: At most the key is new.
"""

EXAMPLES = r"""
- name: Verify what minikube is to load
  slipway.cloud.image_archives:
    images:
      - name: slipway.local/python-base:6f0f2f3a9c1d
        archive: /opt/slipway/images/python-base-6f0f2f3a9c1d.tar
    signed: "{{ hostvars['localhost']['images_signed'] }}"
"""

RETURN = r"""
verified:
  description: The names of the images.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._node_images import Image, NodeImagesError, verify_images
from ..module_utils._signing import SEAL_SPEC, SigningError, seal_of


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "images": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "archive": {"type": "path", "required": True},
                },
            },
            **SEAL_SPEC,
        },
        supports_check_mode=True,
    )
    images = [Image(**options) for options in module.params["images"]]
    seal = seal_of(module.params, check_mode=module.check_mode)
    try:
        new_key = seal is not None and verify_images(images, seal, check_mode=module.check_mode)
    except (NodeImagesError, SigningError, OSError) as error:
        module.fail_json(msg=f"No image was imported. {error}")
    module.exit_json(changed=new_key, verified=[image.name for image in images])


if __name__ == "__main__":
    main()
