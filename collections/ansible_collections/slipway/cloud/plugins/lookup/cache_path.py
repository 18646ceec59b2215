# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup of paths below Slipway's cache directory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cache_path
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Path below Slipway's cache directory
description:
  - Joins each term to C(${XDG_CACHE_HOME:-~/.cache}/slipway) of the user who runs Ansible.
  - The path is not created and need not exist.
options:
  _terms:
    description: Paths relative to the cache directory; an empty one is the cache directory itself.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show where the bundle is
  ansible.builtin.debug:
    msg: "{{ lookup('slipway.cloud.cache_path', 'bundle') }}"
"""

RETURN = r"""
_raw:
  description: One absolute path for each term.
  type: list
  elements: str
"""

import os
import typing as t
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

if t.TYPE_CHECKING:
    from collections.abc import Mapping


def cache_path(term: str, *, environ: Mapping[str, str]) -> str:
    """Return the absolute path of ``term`` below the cache directory; ValueError for a path that leaves it."""
    relative = Path(term)
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError(f"cache_path: {term!r} is not a path relative to the cache directory.")
    base = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".cache")
    return str(base / "slipway" / relative)


class LookupModule(LookupBase):
    """Resolve each term with cache_path()."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        """Return one path for each term."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [cache_path(term, environ=os.environ) for term in terms]
        except ValueError as error:
            raise AnsibleLookupError(str(error)) from error
