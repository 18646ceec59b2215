# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What a bundle is to be made of: pure decisions over the table of tools and images."""

from __future__ import annotations

import typing as t

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
    *, tools: Sequence[Row], images: Sequence[Row], source: str, tags: Collection[str], versions: Mapping[str, str]
) -> Plan:
    """Decide what is downloaded, built and kept.

    Releases: a row with ``release`` is downloaded; one with ``pulled`` only serves an image, which the nodes pull
    then, so that of it only ``manifests`` are downloaded; any other is built. Rows of other tags are kept where they
    are, so that tests and use share one bundle.
    """
    unknown = versions.keys() - {tool["name"] for tool in tools}
    if unknown:
        raise PlanError(f"bundle_versions names {', '.join(sorted(unknown))}, which the bundle does not have.")
    released = source == "release"
    wanted = [tool for tool in tools if not (released and tool.get("pulled")) or "manifests" in tool]
    rows = [{**tool, "version": versions.get(tool["name"], tool["version"])} for tool in wanted if tool["tag"] in tags]
    download = [row for row in rows if released and ("release" in row or row.get("pulled"))]
    build = [row for row in rows if row not in download]
    pinned = {tool["name"]: tool["version"] for tool in tools}
    for row in (row for row in rows if row in build or "manifests" in row):
        if row["version"] != pinned[row["name"]]:
            raise PlanError(
                f"bundle_versions asks for {row['name']} {row['version']}, but its module file pins "
                f"{pinned[row['name']]}: set bundle_source to release, or pin that version in the role bundle."
            )
    return Plan(
        download=download,
        build=build,
        images=[] if released else [image for image in images if image["tag"] in tags],
        keep_tools=[tool["name"] for tool in wanted],
        keep_images=[] if released else [image["name"] for image in images],
    )
