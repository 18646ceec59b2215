# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Programs from official release files, by hashes that were pinned beforehand."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tarfile
import threading
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException

from ansible.module_utils.urls import ConnectionError, open_url  # noqa: A004 - its name there

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_TIMEOUT_SECONDS = 30
# urllib's errors are OSErrors.
_NETWORK_ERRORS = (OSError, HTTPException, ConnectionError)
_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")


class ReleaseError(Exception):
    """Which file cannot be had or trusted, and what to do."""


@dataclass(frozen=True)
class ReleaseFile:
    """An official file: a program, or a tar with programs.

    ``{version}`` and ``{arch}`` in the URLs are filled in; ``sha256`` maps version -> architecture -> hash, and
    ``checksum_url`` is asked for one that is not there. ``programs`` maps each program to its member of the tar, to
    an empty string where the file is the program itself.
    """

    url: str
    checksum_url: str
    programs: Mapping[str, str]
    sha256: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def pinned(self, version: str, arch: str) -> str:
        """Return the pinned hash, an empty string when there is none."""
        return self.sha256.get(version, {}).get(arch, "")


def manifest_files(url: str, files: Mapping[str, str], *, version: str, arch: str) -> list[ReleaseFile]:
    """Return the release files of manifests: path below ``url`` -> sha256, the same on every architecture."""
    return [
        ReleaseFile(f"{url}/{path}", "", {path.rpartition("/")[2]: ""}, {version: {arch: sha256}})
        for path, sha256 in files.items()
    ]


def release_inputs(files: Sequence[ReleaseFile], *, version: str, arch: str) -> str:
    """Return the hash of what decides the programs: not where they come from."""
    decisive = [[file.pinned(version, arch), dict(file.programs)] for file in files]
    return hashlib.sha256(json.dumps(["release", version, arch, decisive]).encode()).hexdigest()


def fetch_programs(file: ReleaseFile, *, version: str, arch: str, work: Path) -> list[Path]:
    """Download a file into ``work``, verify it, and return its programs; what is not as expected is removed."""
    url = file.url.format(version=version, arch=arch)
    checksum_url = file.checksum_url.format(version=version, arch=arch)
    expected = file.pinned(version, arch) or _published(checksum_url, of=url.rpartition("/")[2])
    download = work / "download"
    try:
        actual = _download(url, download)
        if actual != expected:
            raise ReleaseError(
                f"{url} has the sha256 {actual} instead of {expected}: it is damaged or not the file that is meant, "
                "and nothing of it was kept. Try again, or correct bundle_versions or bundle_files."
            )
        return [_program(download, member, work / name, url=url) for name, member in file.programs.items()]
    finally:
        download.unlink(missing_ok=True)


def _published(url: str, *, of: str) -> str:
    """Return the hash that is published beside a release: of the file of that name, where it tells those of many."""
    with _open(url) as response:
        lines = response.read(1 << 16).decode(errors="replace").splitlines()
    named = [line for line in lines if line.split()[-1:] in ([of], [f"*{of}"])]
    found = _SHA256.search("\n".join(named or lines))
    if not found:
        raise ReleaseError(f"{url} holds no sha256: check the version in bundle_versions.")
    return found.group()


def _download(url: str, path: Path) -> str:
    """Write what the URL answers and return its sha256."""
    sha256 = hashlib.sha256()
    with _open(url) as response, path.open("wb") as out:
        while block := response.read(1 << 20):
            sha256.update(block)
            out.write(block)
    return sha256.hexdigest()


@contextmanager
def _open(url: str) -> Iterator[t.Any]:
    """Yield a URL's answer; ReleaseError when it cannot be had, or not to its end."""
    try:
        with open_url(url, timeout=_TIMEOUT_SECONDS) as response:
            yield response
    except _NETWORK_ERRORS as error:
        raise ReleaseError(
            f"{url} cannot be downloaded ({error}): check the version, the base URLs and the bundle_files of the role "
            "bundle, or set bundle_source to source."
        ) from error


def _program(download: Path, member: str, path: Path, *, url: str) -> Path:
    """Put one program in place: the download itself, or the member of its tar."""
    if not member:
        shutil.copyfile(download, path)
        return path
    with tarfile.open(download) as archive:
        content = next((archive.extractfile(m) for m in archive if m.name.removeprefix("./") == member), None)
        if content is None:
            raise ReleaseError(f"{url} holds no {member}: this version is laid out differently.")
        with path.open("wb") as out:
            shutil.copyfileobj(content, out)
    return path


def answers(url: str, *, seconds: float) -> bool:
    """Say whether a URL can be had within so many seconds, the resolver's included."""
    answered = threading.Event()

    def ask() -> None:
        with suppress(*_NETWORK_ERRORS):
            open_url(url, method="HEAD", timeout=seconds).close()
            answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()
