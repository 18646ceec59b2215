# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_tool
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Downloads the programs of official release files into a bundle
description:
  - Downloads release files, compares their sha256 with a pinned one, and puts their programs into C(bin/) of a bundle,
    whose manifest then vouches for them.
  - Nothing is downloaded again while version, architecture and pinned hashes are the same.
  - The programs replace the former ones only when all files are as expected; nothing is kept of one that is not.
options:
  name:
    description: Name of the tool.
    type: str
    required: true
  version:
    description: Version of the tool.
    type: str
    required: true
  bundle:
    description: Directory of the bundle.
    type: path
    required: true
  files:
    description: The release files. C({version}) and C({arch}), V(amd64) or V(arm64), are filled in in their URLs.
    type: list
    elements: dict
    default: []
    suboptions:
      url:
        description: Where the file is.
        type: str
        required: true
      checksum_url:
        description: Where its sha256 is published; asked for a version without a pinned one.
        type: str
        required: true
      sha256:
        description: The pinned sha256 by version and architecture.
        type: dict
        default: {}
      programs:
        description: Each program's path in the tar; empty when the file is the program.
        type: dict
        required: true
  manifests:
    description:
      - The sha256 of Kubernetes manifests by their paths below O(manifests_url). They go to C(manifests/<name>/) of the
        bundle.
    type: dict
    default: {}
  manifests_url:
    description: What the O(manifests) are below. C({version}) is filled in.
    type: str
    default: ''
  source:
    description: What the manifest says of the tool; V(file) for files of the user's own.
    type: str
    choices: [file, release]
    default: release
  space_mib:
    description: What the download writes, in MiB. Less free space is refused before.
    type: int
    default: 600
attributes:
  check_mode:
    support: full
    description: Says whether it would download.
  diff_mode:
    support: none
    description: Programs have no readable difference.
"""

EXAMPLES = r"""
- name: Download kubectl
  slipway.cloud.release_tool:
    name: kubernetes
    version: 1.36.3
    bundle: "{{ lookup('slipway.cloud.cache_path', 'bundle') }}"
    files:
      - url: https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kubectl
        checksum_url: https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kubectl.sha256
        sha256:
          1.36.3:
            amd64: ebbd080e7c2e275093b55915722043257eb24004363e20acb3c4d71919f88336
            arm64: 3d86f24401c41ae5a46ac50eef8865fe891d3647d324a0836f6c63757a126e62
        programs:
          kubectl: ''
"""

RETURN = r"""
files:
  description: Paths of the programs, relative to the bundle.
  returned: success
  type: list
  elements: str
  sample: [bin/kubectl]
"""

import platform
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._bundle import Bundle, BundleError, architecture
from ..module_utils._release import ReleaseError, ReleaseFile, fetch_programs, manifest_files, release_inputs
from ..module_utils._space import SpaceError, require_space

_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "bundle": {"type": "path", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "url": {"type": "str", "required": True},
            "checksum_url": {"type": "str", "required": True},
            "sha256": {"type": "dict", "default": {}},
            "programs": {"type": "dict", "required": True},
        },
    },
    "manifests": {"type": "dict", "default": {}},
    "manifests_url": {"type": "str", "default": ""},
    "source": {"type": "str", "choices": ["file", "release"], "default": "release"},
    "space_mib": {"type": "int", "default": 600},
}


def ensure_downloaded(params: dict[str, t.Any], *, arch: str, check_mode: bool) -> dict[str, t.Any]:
    """Download the tool unless the bundle has it from the same release; return the module's result."""
    name, version = params["name"], params["version"]
    bundle = Bundle(Path(params["bundle"]))
    files = [ReleaseFile(**file) for file in params["files"]]
    documents = manifest_files(params["manifests_url"], params["manifests"], version=version, arch=arch)
    inputs = release_inputs([*files, *documents], version=version, arch=arch)
    changed = not bundle.has_tool(name, inputs)
    if changed and not check_mode:
        require_space(bundle.root, params["space_mib"], "The download")
        with bundle.staging() as staging:
            programs, manifests = (
                [path for file in group for path in fetch_programs(file, version=version, arch=arch, work=staging.path)]
                for group in (files, documents)
            )
            made = {"version": version, "source": params["source"], "inputs": inputs}
            bundle.install_tool(name, programs, manifests=manifests, **made)
    tool = bundle.read().tools.get(name)
    return {"changed": changed, "files": tool["files"] if tool else []}


def main() -> t.NoReturn:
    """Run the module."""
    module = AnsibleModule(argument_spec=_SPEC, supports_check_mode=True)
    try:
        arch = architecture(platform.machine())
        module.exit_json(**ensure_downloaded(module.params, arch=arch, check_mode=module.check_mode))
    except (BundleError, ReleaseError, SpaceError, OSError) as error:
        module.fail_json(msg=f"{module.params['name']}: {error}")


if __name__ == "__main__":
    main()
