# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_source
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Decides whether a bundle is made of sources or of official releases
description: Decides where the tools of a bundle come from, and says why.
options:
  path:
    description: Directory of the bundle.
    type: path
    required: true
  choice:
    description:
      - V(source) and V(release) decide by themselves.
      - V(auto) keeps to what an existing bundle was made of. For a new one it decides for releases when O(url) can be
        had in O(timeout).
    type: str
    choices: [auto, release, source]
    default: auto
  url:
    description: A release file.
    type: str
    required: true
  unreleased:
    description: Whether programs are wanted that no release has; V(auto) decides for sources then.
    type: bool
    default: false
  timeout:
    description: How many seconds its server has for an answer.
    type: float
    default: 3
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
"""

EXAMPLES = r"""
- name: Choose where tools come from
  slipway.cloud.bundle_source:
    path: "{{ lookup('slipway.cloud.cache_path', 'bundle') }}"
    url: https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubectl
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
"""

import typing as t
from pathlib import Path
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._bundle import Bundle, BundleError
from ..module_utils._release import answers

_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "choice": {"type": "str", "choices": ["auto", "release", "source"], "default": "auto"},
    "url": {"type": "str", "required": True},
    "unreleased": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 3},
}
_MEANING = {"source": "Tools are built from source", "release": "Tools are official releases"}


def decide(choice: str, *, unreleased: bool, made_of: str, url: str, timeout: float) -> tuple[str, str]:
    """Return the source and the reason for it."""
    if choice != "auto":
        return choice, "bundle_source says so"
    if unreleased:
        return "source", "the tests run programs that no release has"
    if made_of:
        return made_of, "as those of the bundle so far"
    host = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    if answers(url, seconds=timeout):
        return "release", f"{host} answers"
    return "source", f"{host} does not answer"


def made_of(path: Path) -> str:
    """Return what a bundle was made of, an empty string when there is none that can be read."""
    try:
        return Bundle(path).read().source
    except BundleError:
        return ""


def main() -> t.NoReturn:
    """Run the module."""
    module = AnsibleModule(argument_spec=_SPEC, supports_check_mode=True)
    params = module.params
    source, reason = decide(
        params["choice"],
        unreleased=params["unreleased"],
        made_of=made_of(Path(params["path"])),
        url=params["url"],
        timeout=params["timeout"],
    )
    module.exit_json(changed=False, source=source, reason=f"{_MEANING[source]}: {reason}.")


if __name__ == "__main__":
    main()
