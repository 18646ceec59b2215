# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Is there room on a file system for what is about to be written?"""

from __future__ import annotations

import shutil
from pathlib import Path

_MIB = 1024 * 1024


class SpaceError(Exception):
    """What needs how much, where, and what to do."""


def require_space(path: str | Path, mib: int, what: str) -> None:
    """Raise SpaceError unless ``mib`` MiB are free where ``path`` is, or will be; ``what`` needs them."""
    target = Path(path).absolute()
    existing = next(parent for parent in (target, *target.parents) if parent.exists())
    free = shutil.disk_usage(existing).free // _MIB
    if free < mib:
        raise SpaceError(
            f"{what} needs {mib} MiB in {target}, where {free} MiB are free: "
            "free some space, or let XDG_CACHE_HOME name a directory on a larger file system."
        )
