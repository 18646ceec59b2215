# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup of the directory of a Python package of this collection."""

from __future__ import annotations

DOCUMENTATION = r"""
name: package_path
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Directory of a Python package of this collection
description:
  - Returns the directories of Python packages of this collection that need no Ansible.
  - For roles that put them into an image. They are found wherever the collection is installed.
options:
  _terms:
    description:
      - Which packages.
      - C(engine) is the lifecycle engine, by which the modules of this collection talk to Kubernetes.
      - C(program) is what programs in images have in common.
    type: list
    elements: str
    choices: [engine, program]
    required: true
"""

EXAMPLES = r"""
- name: Copy the engine beside a program
  ansible.builtin.copy:
    src: "{{ lookup('slipway.cloud.package_path', 'engine') }}/"
    dest: build/engine/
    mode: preserve
"""

RETURN = r"""
_raw:
  description: Absolute paths.
  type: list
  elements: str
"""

import typing as t
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

PACKAGES = ("engine", "program")


def package_path(name: str) -> str:
    """Return the absolute path of a package in ``module_utils``. :raises ValueError: for one that is none."""
    if name not in PACKAGES:
        raise ValueError(f"package_path knows {', '.join(PACKAGES)}, but was asked for {name!r}.")
    return str(Path(__file__).resolve().parents[1] / "module_utils" / name)


class LookupModule(LookupBase):
    """Resolve to package_path() of each term."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        """Return the paths."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [package_path(term) for term in terms]
        except ValueError as error:
            raise AnsibleLookupError(str(error)) from error
