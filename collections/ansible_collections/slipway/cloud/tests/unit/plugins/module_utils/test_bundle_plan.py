# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the plan of a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._bundle_plan import (
    Plan,
    PlanError,
    Row,
    choose_source,
    plan,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

TOOLS: list[Row] = [
    {"name": "kubernetes", "tag": "core", "version": "1", "release": [{"url": "...", "programs": {}}]},
    {"name": "etcd", "tag": "core", "version": "1", "pulled": True},
    {"name": "local", "tag": "core", "version": "1"},
    {"name": "metallb", "tag": "addons", "version": "1", "pulled": True, "manifests": {"x.yaml": "0"}},
    {"name": "kwok", "tag": "tests", "version": "1"},
]
IMAGES: list[Row] = [
    {"name": "etcd:1", "tag": "core"},
    {"name": "metallb:1", "tag": "addons"},
    {"name": "kwok:1", "tag": "tests"},
]


@pytest.mark.parametrize(
    ("source", "tags", "download", "build", "images", "keep_tools"),
    [
        (
            "source",
            ["core"],
            [],
            ["kubernetes", "etcd", "local"],
            ["etcd:1"],
            ["kubernetes", "etcd", "local", "metallb", "kwok"],
        ),
        ("source", ["tests"], [], ["kwok"], ["kwok:1"], ["kubernetes", "etcd", "local", "metallb", "kwok"]),
        ("release", ["core"], ["kubernetes"], ["local"], [], ["kubernetes", "local", "metallb", "kwok"]),
        (
            "release",
            ["core", "tests"],
            ["kubernetes"],
            ["local", "kwok"],
            [],
            ["kubernetes", "local", "metallb", "kwok"],
        ),
        ("source", ["addons"], [], ["metallb"], ["metallb:1"], ["kubernetes", "etcd", "local", "metallb", "kwok"]),
        ("release", ["addons"], ["metallb"], [], [], ["kubernetes", "local", "metallb", "kwok"]),
        ("release", [], [], [], [], ["kubernetes", "local", "metallb", "kwok"]),
    ],
)
def test_plan(
    source: str, tags: list[str], download: list[str], build: list[str], images: list[str], keep_tools: list[str]
) -> None:
    found = plan(tools=TOOLS, images=IMAGES, source=source, tags=tags, versions={}, files={})
    assert [row["name"] for row in found["download"]] == download
    assert [row["name"] for row in found["build"]] == build
    assert [row["name"] for row in found["images"]] == images
    assert found["keep_tools"] == keep_tools
    assert found["keep_images"] == ([] if source == "release" else ["etcd:1", "metallb:1", "kwok:1"])


def test_version_of_a_release() -> None:
    found = plan(tools=TOOLS, images=IMAGES, source="release", tags=["core"], versions={"kubernetes": "2"}, files={})
    assert found["download"][0]["version"] == "2"


@pytest.mark.parametrize(
    ("source", "versions", "message"),
    [
        (
            "source",
            {"kubernetes": "2"},
            "kubernetes 2, but its module file pins 1: set bundle_source to release",
        ),
        ("release", {"metallb": "2"}, "asks for metallb 2, but its module file pins 1"),
        ("release", {"kwok": "2"}, "asks for kwok 2, but its module file pins 1"),
        ("release", {"kubernets": "2"}, "bundle_versions names kubernets, which the bundle does not have"),
    ],
)
def test_version_that_cannot_be_had(source: str, versions: dict[str, str], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan(tools=TOOLS, images=IMAGES, source=source, tags=["core", "addons", "tests"], versions=versions, files={})


SHA256 = "0" * 64
WITH_FILES: list[Row] = [
    {"name": "kubernetes", "tag": "core", "version": "1", "release": [{"programs": {"kubelet": ""}}]},
    {
        "name": "containerd",
        "tag": "core",
        "version": "1",
        "release": [{"programs": {"ctr": "bin/ctr", "shim": "bin/shim"}}],
    },
    {
        "name": "minikube",
        "tag": "minikube",
        "version": "1",
        "module": False,
        "release": [{"programs": {"minikube": ""}}],
    },
]
MINIKUBE = {"minikube": {"src": "/opt/{mine}", "sha256": SHA256}}
CTR = {"ctr": {"src": "https://example.org/c.tar", "sha256": SHA256, "member": "c/ctr"}}


def plan_with(files: dict[str, Any], *, source: str = "source", tags: Sequence[str] = ("core", "minikube")) -> Plan:
    return plan(tools=WITH_FILES, images=[], source=source, tags=tags, versions={}, files=files)


@pytest.mark.parametrize("source", ["source", "release"])
def test_file_in_place_of_a_release(source: str) -> None:
    row = plan_with(MINIKUBE, source=source)["download"][-1]
    assert (row["name"], row["source"]) == ("minikube", "file")
    assert row["release"] == [
        {
            "url": "file:///opt/%7Bmine%7D",
            "checksum_url": "file:///opt/%7Bmine%7D",
            "programs": {"minikube": ""},
            "sha256": {"1": {"amd64": SHA256, "arm64": SHA256}},
        }
    ]


def test_file_beside_a_release() -> None:
    row = plan_with({**MINIKUBE, **CTR}, source="release")["download"][1]
    assert [(file.get("url"), file["programs"]) for file in row["release"]] == [
        ("https://example.org/c.tar", {"ctr": "c/ctr"}),
        (None, {"shim": "bin/shim"}),
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"^minikube cannot be built from source here: set bundle_files to {minikube: {src: /path/or/address, "),
        ({"minikub": {}}, "bundle_files names minikub, which is none of ctr, kubelet, minikube, shim"),
        ({"minikube": "/opt/minikube"}, "bundle_files needs for minikube a src, .* and its sha256"),
        ({"minikube": {"src": "/opt/minikube", "sha256": "abc"}}, "bundle_files needs for minikube a src"),
        ({**MINIKUBE, **CTR}, "bundle_files gives programs of containerd, but not shim: give all of them, or none"),
    ],
)
def test_files_that_cannot_be_used(files: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan_with(files)


def test_what_cannot_be_built_is_asked_for_only_where_it_is_wanted() -> None:
    assert [row["name"] for row in plan_with({}, tags=["core"])["build"]] == ["kubernetes", "containerd"]


@pytest.mark.parametrize(
    ("choice", "tags", "made_of", "answers", "expected"),
    [
        ("source", ["core"], "release", True, "Tools are built from source: bundle_source says so."),
        ("release", ["tests"], "", False, "Tools are official releases: bundle_source says so."),
        ("auto", ["core"], "source", True, "Tools are built from source: as those of the bundle so far."),
        ("auto", ["core"], "release", False, "Tools are official releases: as those of the bundle so far."),
        (
            "auto",
            ["tests"],
            "release",
            True,
            "Tools are built from source: the tests run programs that no release has.",
        ),
        ("auto", ["core"], "", True, "Tools are official releases: https://x answers."),
        ("auto", ["core"], "", False, "Tools are built from source: https://x does not answer."),
    ],
)
def test_choose_source(choice: str, tags: list[str], made_of: str, answers: bool, expected: str) -> None:
    source, reason = choose_source(choice, tags=tags, made_of=made_of, host="https://x", answers=lambda: answers)
    assert reason == expected
    assert source == ("release" if "releases" in expected else "source")
