# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What a bundle is to be made of: pure decisions over the table of tools and images."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

from ._bundle import ARCHITECTURES

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

Row = dict[str, t.Any]


class Plan(t.TypedDict):
    """Rows to download, rows to build, images to make; names and references that the bundle keeps."""

    download: list[Row]
    build: list[Row]
    images: list[Row]
    keep_tools: list[str]
    keep_images: list[str]


_MEANING = {"source": "Tools are built from source", "release": "Tools are official releases"}


class PlanError(Exception):
    """Which variable asks for what cannot be had, and what to do."""


def choose_source(
    choice: str, *, tags: Collection[str], made_of: str, host: str, answers: Callable[[], bool]
) -> tuple[str, str]:
    """Return ``source`` or ``release``, and a sentence that says why; ``answers`` is asked only where it decides."""
    if choice != "auto":
        source, reason = choice, "bundle_source says so"
    elif "tests" in tags:
        source, reason = "source", "the tests run programs that no release has"
    elif made_of:
        source, reason = made_of, "as those of the bundle so far"
    elif answers():
        source, reason = "release", f"{host} answers"
    else:
        source, reason = "source", f"{host} does not answer"
    return source, f"{_MEANING[source]}: {reason}."


def plan(
    *,
    tools: Sequence[Row],
    images: Sequence[Row],
    source: str,
    tags: Collection[str],
    versions: Mapping[str, str],
    files: Mapping[str, t.Any],
) -> Plan:
    """Decide what is downloaded, built and kept.

    Releases: a row with ``release`` is downloaded; one with ``pulled`` only serves an image, which the nodes pull
    then, so that of it only ``manifests`` are downloaded; any other is built. A row with a program among ``files`` is
    made of these files in any case. Rows of other tags are kept where they are, so that tests and use share one bundle.
    """
    unknown = versions.keys() - {tool["name"] for tool in tools}
    if unknown:
        raise PlanError(f"bundle_versions names {', '.join(sorted(unknown))}, which the bundle does not have.")
    _check_files(files, known={name for tool in tools for name in _programs(tool)})
    released = source == "release"
    wanted = [tool for tool in tools if not (released and tool.get("pulled")) or "manifests" in tool]
    rows = [{**tool, "version": versions.get(tool["name"], tool["version"])} for tool in wanted if tool["tag"] in tags]
    given = [_from_files(row, files, released=released) for row in rows if not files.keys().isdisjoint(_programs(row))]
    names = {row["name"] for row in given}
    others = [row for row in rows if row["name"] not in names]
    download = [row for row in others if released and ("release" in row or row.get("pulled"))]
    build = [row for row in others if row not in download]
    pinned = {tool["name"]: tool["version"] for tool in tools}
    _check_builds(build, rows=[row for row in others if row in build or "manifests" in row], pinned=pinned)
    return Plan(
        download=download + given,
        build=build,
        images=[] if released else [image for image in images if image["tag"] in tags],
        keep_tools=[tool["name"] for tool in wanted],
        keep_images=[] if released else [image["name"] for image in images],
    )


def _programs(row: Row) -> list[str]:
    """Return the programs of a row's release files."""
    return [name for file in row.get("release", ()) for name in file["programs"]]


def _from_files(row: Row, files: Mapping[str, t.Any], *, released: bool) -> Row:
    """Return the row with a user's files in place of the official ones that hold the same programs."""
    given = [_as_release(name, files[name], row["version"]) for name in _programs(row) if name in files]
    others = [
        {**file, "programs": rest}
        for file in row["release"]
        if (rest := {name: member for name, member in file["programs"].items() if name not in files})
    ]
    if others and not released:
        missing = ", ".join(name for file in others for name in file["programs"])
        raise PlanError(f"bundle_files gives programs of {row['name']}, but not {missing}: give all of them, or none.")
    return {**row, "source": "file", "release": given + others}


def _as_release(program: str, file: Mapping[str, str], version: str) -> Row:
    """Return a file of the user's, an address or a path, in the shape of a release file."""
    src = file["src"] if "://" in file["src"] else Path(file["src"]).expanduser().absolute().as_uri()
    url = src.replace("{", "{{").replace("}", "}}")
    hashes = dict.fromkeys(ARCHITECTURES.values(), file["sha256"])
    return {"url": url, "checksum_url": url, "programs": {program: file.get("member", "")}, "sha256": {version: hashes}}


def _check_files(files: Mapping[str, t.Any], *, known: Collection[str]) -> None:
    """Refuse files of unknown programs, or of another shape than ``{src, sha256, member}``."""
    for name, file in files.items():
        if name not in known:
            raise PlanError(f"bundle_files names {name}, which is none of {', '.join(sorted(known))}.")
        options = file if isinstance(file, dict) else {}
        if not options.get("src") or not re.fullmatch("[0-9a-f]{64}", str(options.get("sha256"))):
            raise PlanError(f"bundle_files needs for {name} a src, which is an address or a path, and its sha256.")


def _check_builds(build: Sequence[Row], *, rows: Sequence[Row], pinned: Mapping[str, str]) -> None:
    """Refuse to build what has no module file, and rows of versions that the module files do not pin."""
    if impossible := [row["name"] for row in build if not row.get("module", True)]:
        example = ", ".join(f"{name}: {{src: /path/or/address, sha256: ...}}" for name in impossible)
        raise PlanError(
            f"{' and '.join(impossible)} cannot be built from source here: set bundle_files to {{{example}}}, or "
            "bundle_source to release where official releases can be downloaded."
        )
    for row in rows:
        if row["version"] != pinned[row["name"]]:
            raise PlanError(
                f"bundle_versions asks for {row['name']} {row['version']}, but its module file pins "
                f"{pinned[row['name']]}: set bundle_source to release, or take it out of bundle_versions."
            )
