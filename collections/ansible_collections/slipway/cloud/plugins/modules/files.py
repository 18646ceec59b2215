# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Write several small text files in one go
description:
  - Writes each file whose content or mode differs, beside its final name, and renames it.
  - Makes missing directories above it, with mode 0755.
  - A loop over M(ansible.builtin.template) takes two runs of a module for each file; this takes one for all of them.
options:
  files:
    description: The files, in the order in which they are written.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The whole text.
        type: str
        required: true
      mode:
        description: Permissions, octal.
        type: str
        default: "0644"
extends_documentation_fragment:
  - slipway.cloud.attributes
"""

EXAMPLES = r"""
- name: Configure the kernel
  slipway.cloud.files:
    files:
      - path: /etc/modules-load.d/site.conf
        content: "{{ lookup('ansible.builtin.template', 'modules.conf.j2') }}"
      - path: /etc/sysctl.d/90-site.conf
        content: |
          net.ipv4.ip_forward = 1
"""

RETURN = r"""
paths:
  description: The files that were, or in check mode would be, written.
  returned: always
  type: list
  elements: str
  sample: [/etc/sysctl.d/90-site.conf]
"""

import stat
import typing as t
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from ansible.module_utils.basic import AnsibleModule


@dataclass(frozen=True)
class File:
    """A file as it is, or as it shall be; ``mode`` is -1 and ``content`` empty if there is none."""

    path: Path
    content: str = ""
    mode: int = -1

    @classmethod
    def at(cls, path: Path) -> File:
        """Return what is there now."""
        if not path.is_file():
            return cls(path)
        return cls(path, path.read_text(encoding="utf-8", errors="replace"), stat.S_IMODE(path.stat().st_mode))

    def write(self) -> None:
        """Put it in place of what is there."""
        self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with NamedTemporaryFile("w", encoding="utf-8", dir=self.path.parent, delete=False) as beside:
            beside.write(self.content)
        Path(beside.name).chmod(self.mode)
        Path(beside.name).replace(self.path)


def main() -> t.NoReturn:
    file_options = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str", "required": True},
        "mode": {"type": "str", "default": "0644"},
    }
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": file_options},
        },
        supports_check_mode=True,
    )
    try:
        wanted = [File(Path(f["path"]), f["content"], int(f["mode"], 8)) for f in module.params["files"]]
        changes = [(before, file) for file in wanted if (before := File.at(file.path)) != file]
        for _before, file in changes if not module.check_mode else ():
            file.write()
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"The files cannot be written: {error}")
    module.exit_json(
        changed=bool(changes),
        paths=[str(file.path) for _before, file in changes],
        diff=[
            {"before": before.content, "after": file.content, "before_header": path, "after_header": path}
            for before, file in changes
            for path in [str(file.path)]
        ],
    )


if __name__ == "__main__":
    main()
