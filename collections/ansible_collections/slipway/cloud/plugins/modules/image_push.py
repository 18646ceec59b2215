# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_push
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Push an image archive to a registry
description:
  - Pushes what the registry lacks of an image over its HTTP API, without a container engine.
  - The registry's certificate is always verified.
options:
  archive:
    description: Path of a docker-archive of one image. Of the image's name the last part and the tag are kept.
    type: path
  name:
    description:
      - The name of an image that is yet to be built, instead of O(archive).
      - An upload is begun and cancelled, so that a registry's refusal is known before anything is built.
    type: str
  registry:
    description: URL of the registry, with an optional prefix of names, as V(https://registry.example:5000/team).
    type: str
    required: true
  username:
    description: Who may push.
    type: str
    default: ''
  password:
    description: The password, or token, of O(username).
    type: str
    default: ''
  ca_path:
    description: PEM file of the registry's certificate authority. Without it, those that this machine trusts.
    type: path
    default: ''
attributes:
  check_mode:
    support: full
    description: Asks the registry whether it has the image.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Push the worker
  slipway.cloud.image_push:
    archive: /root/.cache/slipway/images/worker-0a1b2c3d4e5f.tar
    registry: https://registry.example:5000/team
    username: ci
    password: "{{ registry_password }}"
  register: pushed  # pushed.reference is what a pod names

- name: See whether the worker could be pushed
  slipway.cloud.image_push:
    name: worker:1.0
    registry: https://registry.example:5000/team
"""

RETURN = r"""
reference:
  description: The image's name by digest.
  returned: when an O(archive) was given
  type: str
  sample: registry.example:5000/team/worker@sha256:08cb48735a909bf6a95eec8d3ab04d435bfb5fb6bc3e9880d17d2d50dc8b9d73
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._image_push import Access, RegistryError, push_image, rehearse_push


def push(options: t.Mapping[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Push the archive, or see whether an image could be pushed. :raises RegistryError:"""
    registry = options["registry"]
    access = Access(username=options["username"], password=options["password"], ca_path=options["ca_path"])
    if options["name"]:
        rehearse_push(options["name"], registry, access)
        return {"changed": False}
    reference, changed = push_image(Path(options["archive"]), registry, access, dry_run=check_mode)
    return {"changed": changed, "reference": reference}


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path"},
            "name": {"type": "str"},
            "registry": {"type": "str", "required": True},
            "username": {"type": "str", "default": ""},
            "password": {"type": "str", "default": "", "no_log": True},
            "ca_path": {"type": "path", "default": ""},
        },
        mutually_exclusive=[("archive", "name")],
        required_one_of=[("archive", "name")],
        supports_check_mode=True,
    )
    try:
        result = push(module.params, check_mode=module.check_mode)
    except RegistryError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
