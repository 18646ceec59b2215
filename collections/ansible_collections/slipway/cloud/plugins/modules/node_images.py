# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_images
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Import and pin image archives that a node's containerd lacks
description:
  - Gives a node images without a registry, and protects them from the kubelet's garbage collection.
  - An image is there if containerd has its name with that configuration, complete and unpacked.
  - With O(signed) it imports only what a signed list has, and nothing at all where that list or an archive was changed.
  - Runs on the node. In check mode it tells what the node lacks, so that only these archives need to be copied to it.
requirements:
  - containerd 2.x and its C(ctr) on the node
  - cosign on the node, with O(signed)
extends_documentation_fragment:
  - slipway.cloud.signed
options:
  images:
    description: The images the node shall have.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Full name, with registry host and tag.
        type: str
        required: true
      archive:
        description:
          - Path on the node of a docker-archive that holds this one image; a relative one is below O(directory).
          - May be left out, or not be there, while the node has the image.
        type: path
      sha256:
        description: SHA-256 of the archive, hexadecimal. When given it is verified before the import.
        type: str
      digest:
        description:
          - Digest of the image's configuration, which is the image's ID, as C(sha256:) and hexadecimal digits.
          - The default is read from the archive; without one, images are compared by name alone.
        type: str
  directory:
    description: Directory on the node that holds the archives.
    type: path
    default: /
  pinned:
    description: Whether the images are kept from garbage collection.
    type: bool
    default: true
  supersede:
    description:
      - Whether other tags of the same repositories lose their pin.
      - The kubelet removes them when it needs the space and no container uses them.
    type: bool
    default: false
  ctr:
    description: Name or path of containerd's client.
    type: path
    default: ctr
  address:
    description: containerd's socket.
    type: path
    default: /run/containerd/containerd.sock
  containerd_namespace:
    description: containerd's namespace; the kubelet's is V(k8s.io).
    type: str
    default: k8s.io
attributes:
  check_mode:
    support: full
    description: Reports RV(missing) and imports nothing.
  diff_mode:
    support: full
    description: Shows the images that are imported, pinned and unpinned.
"""

EXAMPLES = r"""
- name: Import what the signed list of the build machine has
  slipway.cloud.node_images:
    images:
      - name: registry.k8s.io/pause:3.10.2
        archive: /opt/slipway/bundle/images/pause-3.10.2.tar
    signed: "{{ hostvars['localhost']['bundle_signed'] }}"

- name: Import what a mounted directory holds
  slipway.cloud.node_images:
    images:
      - name: registry.k8s.io/pause:3.10.2
        archive: /opt/slipway/bundle/images/pause.tar

- name: See what a node lacks
  slipway.cloud.node_images:
    images:
      - name: slipway.local/python-base:6f0f2f3a9c1d
        archive: python-base-6f0f2f3a9c1d.tar
        digest: sha256:08cb48735a909bf6a95eec8d3ab04d435bfb5fb6bc3e9880d17d2d50dc8b9d73
    directory: /var/lib/slipway/images
  check_mode: true
  register: node_lacks  # node_lacks.needed are the archives to copy
"""

RETURN = r"""
missing:
  description: Names of the images the node lacked.
  returned: always
  type: list
  elements: str
  sample: [registry.k8s.io/pause:3.10.2]
needed:
  description: Paths on the node of missing images' archives that are not there.
  returned: always
  type: list
  elements: str
  sample: [/var/lib/slipway/images/python-base-6f0f2f3a9c1d.tar]
pinned:
  description: Names of the images that the node had and that were pinned.
  returned: always
  type: list
  elements: str
unpinned:
  description: Names of the images that lost their pin.
  returned: always
  type: list
  elements: str
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._node_images import Ctr, Image, NodeImagesError, Plan, ensure_images, has_archive
from ..module_utils._signing import SEAL_SPEC, seal_of

_SPEC: dict[str, t.Any] = {
    "images": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "archive": {"type": "path"},
            "sha256": {"type": "str"},
            "digest": {"type": "str"},
        },
    },
    "directory": {"type": "path", "default": "/"},
    "pinned": {"type": "bool", "default": True},
    "supersede": {"type": "bool", "default": False},
    "ctr": {"type": "path", "default": "ctr"},
    "address": {"type": "path", "default": "/run/containerd/containerd.sock"},
    "containerd_namespace": {"type": "str", "default": "k8s.io"},
    **SEAL_SPEC,
}


def image_of(options: dict[str, str | None], directory: Path) -> Image:
    given = {key: value for key, value in options.items() if value}
    if "archive" in given:
        given["archive"] = str(directory / given["archive"])
    return Image(**given)


def result_of(plan: Plan) -> dict[str, t.Any]:
    """Return the module's result."""
    missing = [image.name for image in plan.missing]
    keys = ["the key of the signed list"] if plan.new_key else []
    actions = {"trust": keys, "import": missing, "pin": plan.pin, "unpin": plan.unpin}
    return {
        "changed": plan.changed,
        "missing": missing,
        "needed": [image.archive for image in plan.missing if not has_archive(image)],
        "pinned": plan.pin,
        "unpinned": plan.unpin,
        "diff": {
            "before": "",
            "after": "".join(f"{verb} {name}\n" for verb, names in actions.items() for name in names),
        },
    }


def main() -> t.NoReturn:
    module = AnsibleModule(argument_spec=_SPEC, supports_check_mode=True)
    options = module.params
    ctr = Ctr(program=options["ctr"], address=options["address"], namespace=options["containerd_namespace"])
    wanted = [image_of(image, Path(options["directory"])) for image in options["images"]]
    same = {name: options[name] for name in ("pinned", "supersede")}
    try:
        seal = seal_of(options, check_mode=module.check_mode)
        plan = ensure_images(ctr, wanted, check_mode=module.check_mode, seal=seal, **same)
    except NodeImagesError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result_of(plan))


if __name__ == "__main__":
    main()
