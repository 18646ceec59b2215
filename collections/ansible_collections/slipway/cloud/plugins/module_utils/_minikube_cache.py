# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Programs of Kubernetes in minikube's cache, where it looks for them and trusts what it finds.

Runs on nodes: the standard library of Python 3.10 only.
"""

from __future__ import annotations

import platform
import shutil
import typing as t
from pathlib import Path

from ._bundle import ARCHITECTURES, sha256_of
from ._minikube import MinikubeError


def plant(seeds: t.Mapping[str, str], cache: Path, *, version: str, check_mode: bool) -> list[str]:
    """Put programs (path -> sha256) into the cache, and return the names of those that were not there as they should.

    :raises MinikubeError: if one is not what its sha256 says; nothing of it stays, in the cache neither.
    """
    if not seeds:
        return []
    directory = cache / "linux" / _architecture() / f"v{version.removeprefix('v')}"
    planted = []
    for src, expected in seeds.items():
        path = directory / Path(src).name
        if sha256_of(path) != expected:
            planted.append(path.name)
            if not check_mode:
                _copy(Path(src), path, expected)
    return planted


def _architecture() -> str:
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise MinikubeError(f"A {machine} machine is not supported: use one of {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[machine]


def _copy(src: Path, path: Path, expected: str) -> None:
    """Copy a file beside its place, verify it there and rename it."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    try:
        shutil.copyfile(src, beside)
        if (actual := sha256_of(beside)) != expected:
            raise MinikubeError(
                f"{src} has the sha256 {actual} instead of {expected}: it is damaged or not the bundle's, and nothing "
                "of it was kept. Run the playbook again, which pushes it anew."
            )
        beside.chmod(0o755)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
