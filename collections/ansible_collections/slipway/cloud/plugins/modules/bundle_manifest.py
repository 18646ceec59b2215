# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_manifest
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Verifies or repairs a bundle of programs and images by its manifest
description:
  - Compares the sha256 of every file of a bundle with its manifest.
options:
  path:
    description: Directory of the bundle.
    type: path
    required: true
  state:
    description:
      - V(verified) fails when a file is missing or has changed, and names it.
      - V(repaired) removes files that have changed, that belong to a tool or image which is no longer wanted, or
        that the manifest does not know, so that the builds which follow make only what is missing.
    type: str
    choices: [verified, repaired]
    default: verified
  tools:
    description: Names of the tools that O(state=repaired) keeps.
    type: list
    elements: str
    default: []
  images:
    description: References of the images that O(state=repaired) keeps.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: partial
    description: Can verify.
    details: With O(state=repaired) nothing is removed and no change is reported.
  diff_mode:
    support: none
    description: Programs have no readable difference.
"""

EXAMPLES = r"""
- name: Verify the bundle
  slipway.cloud.bundle_manifest:
    path: "{{ lookup('slipway.cloud.cache_path', 'bundle') }}"
"""

RETURN = r"""
removed:
  description: Paths that were removed or are to be made again, relative to the bundle.
  returned: success
  type: list
  elements: str
tools:
  description: The bundle's tools, by name.
  returned: success
  type: dict
  sample: {etcd: {version: 3.6.8, inputs: 9d68..., files: [bin/etcd]}}
images:
  description: The bundle's images, by reference. Empty when the nodes are to pull theirs.
  returned: success
  type: dict
  sample: {"registry.k8s.io/pause:3.10.2": {file: images/pause-3.10.2.tar, sha256: 46707a..., digest: "sha256:1ab2..."}}
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._bundle import Bundle, BundleError

_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["verified", "repaired"], "default": "verified"},
    "tools": {"type": "list", "elements": "str", "default": []},
    "images": {"type": "list", "elements": "str", "default": []},
}


def verify(bundle: Bundle) -> None:
    """Raise BundleError that names a file which is missing or has changed."""
    manifest = bundle.read()
    faults = bundle.faults(manifest)
    if not manifest.files:
        raise BundleError(f"There is no bundle in {bundle.root}: run `make bundle`.")
    if faults:
        path, fault = next(iter(faults.items()))
        others = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise BundleError(f"{bundle.root}/{path} {fault}{others}: run `make bundle`.")


def run(params: dict[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Do what the options ask for; return the module's result."""
    bundle = Bundle(Path(params["path"]))
    removed: list[str] = []
    if params["state"] == "verified":
        verify(bundle)
    elif not check_mode:
        with bundle.staging():
            removed = bundle.repair(tools=params["tools"], images=params["images"])
    manifest = bundle.read()
    return {"changed": bool(removed), "removed": removed, "tools": manifest.tools, "images": manifest.images}


def main() -> t.NoReturn:
    """Run the module."""
    module = AnsibleModule(argument_spec=_SPEC, supports_check_mode=True)
    try:
        module.exit_json(**run(module.params, check_mode=module.check_mode))
    except (BundleError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
