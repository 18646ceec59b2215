# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup of the engine's directory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: engine_path
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Directory of the lifecycle engine
description:
  - Returns the directory of the Python package that the modules of this collection use to talk to Kubernetes.
  - For roles that put the engine into an image. It is found wherever the collection is installed.
"""

EXAMPLES = r"""
- name: Copy the engine beside a program
  ansible.builtin.copy:
    src: "{{ lookup('slipway.cloud.engine_path') }}/"
    dest: build/engine/
    mode: preserve
"""

RETURN = r"""
_raw:
  description: One absolute path.
  type: list
  elements: str
"""

import typing as t
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def engine_path() -> str:
    """Return the absolute path of the package ``module_utils/engine``."""
    return str(Path(__file__).resolve().parents[1] / "module_utils" / "engine")


class LookupModule(LookupBase):
    """Resolve to engine_path()."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        """Return the path."""
        self.set_options(var_options=variables, direct=kwargs)
        if terms:
            raise AnsibleLookupError(f"engine_path takes no terms, but was given {terms}.")
        return [engine_path()]
