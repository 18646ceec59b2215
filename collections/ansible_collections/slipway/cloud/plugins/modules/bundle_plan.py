# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_plan
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Decides what a bundle is made of, and from where
description:
  - Decides from a table of tools and images what is downloaded, what is built and what is kept, and says why.
  - Changes nothing.
options:
  path:
    description: Directory of the bundle.
    type: path
    required: true
  source:
    description:
      - V(source) and V(release) decide by themselves.
      - V(auto) decides for sources where O(tags) has V(tests), whose programs no release has. Else it keeps to what an
        existing bundle was made of. For a new one it decides for releases when O(url) can be had in O(timeout).
    type: str
    choices: [auto, release, source]
    default: auto
  url:
    description: A release file.
    type: str
    required: true
  timeout:
    description: How many seconds its server has for an answer.
    type: float
    default: 3
  tools:
    description: Rows of tools, with at least C(name), C(tag) and C(version).
    type: list
    elements: dict
    required: true
  images:
    description: Rows of images, with at least C(name) and C(tag).
    type: list
    elements: dict
    required: true
  tags:
    description: Tags of the rows that are wanted.
    type: list
    elements: str
    required: true
  versions:
    description: Versions in place of those of the rows, by the tool's name; for releases only.
    type: dict
    default: {}
  files:
    description:
      - Files to take programs from, by the program's name, whatever O(source) says.
      - Each has a C(src), which is an address or a path, its C(sha256), and C(member) where it is a tar.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
"""

EXAMPLES = r"""
- name: Plan the bundle
  slipway.cloud.bundle_plan:
    path: "{{ lookup('slipway.cloud.cache_path', 'bundle') }}"
    url: https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubectl.sha256
    tools: "{{ tools }}"
    images: "{{ images }}"
    tags: [core]
"""

RETURN = r"""
source:
  description: V(source) or V(release).
  returned: success
  type: str
  sample: source
reason:
  description: Why.
  returned: success
  type: str
  sample: "Tools are built from source: https://dl.k8s.io does not answer."
plan:
  description:
    - The rows to C(download), C(build) and make C(images) of, each with its version.
    - C(keep_tools) and C(keep_images) are the names that the bundle keeps, wanted now or not.
  returned: success
  type: dict
"""

import typing as t
from pathlib import Path
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._bundle import Bundle, BundleError
from ..module_utils._bundle_plan import PlanError, choose_source, plan
from ..module_utils._release import answers

_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "source": {"type": "str", "choices": ["auto", "release", "source"], "default": "auto"},
    "url": {"type": "str", "required": True},
    "timeout": {"type": "float", "default": 3},
    "tools": {"type": "list", "elements": "dict", "required": True},
    "images": {"type": "list", "elements": "dict", "required": True},
    "tags": {"type": "list", "elements": "str", "required": True},
    "versions": {"type": "dict", "default": {}},
    "files": {"type": "dict", "default": {}},
}


def made_of(path: Path) -> str:
    """Return what a bundle was made of, an empty string when there is none that can be read."""
    try:
        return Bundle(path).read().source
    except BundleError:
        return ""


def run(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the module's result."""
    source, reason = choose_source(
        params["source"],
        tags=params["tags"],
        made_of=made_of(Path(params["path"])),
        host="{0.scheme}://{0.netloc}".format(urlsplit(params["url"])),
        answers=lambda: answers(params["url"], seconds=params["timeout"]),
    )
    same = {key: params[key] for key in ("tools", "images", "tags", "versions", "files")}
    return {"changed": False, "source": source, "reason": reason, "plan": plan(source=source, **same)}


def main() -> t.NoReturn:
    """Run the module."""
    module = AnsibleModule(argument_spec=_SPEC, supports_check_mode=True)
    try:
        module.exit_json(**run(module.params))
    except PlanError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
