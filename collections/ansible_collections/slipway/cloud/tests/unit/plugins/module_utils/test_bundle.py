# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the bundle's directory and manifest, on real files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._bundle import Bundle, BundleError, Image, architecture

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle with the tools a (one program) and b (two), and one image."""
    bundle = Bundle(tmp_path / "bundle")
    install(bundle, "a", "1", "alpha")
    install(bundle, "b", "1", "beta", "gamma")
    archive = bundle.root / "images/pause-1.tar"
    archive.parent.mkdir()
    archive.write_text("layers")
    manifest = bundle.read()
    sha256 = hashlib.sha256(b"layers").hexdigest()
    manifest.record_image("pause:1", Image(file="images/pause-1.tar", sha256=sha256, digest="sha256:0"))
    bundle.write(manifest)
    return bundle


def install(bundle: Bundle, name: str, inputs: str, *programs: str) -> None:
    """Install a tool whose programs hold its inputs."""
    with bundle.staging() as staging:
        work = staging.path
        for program in programs:
            (work / program).write_text(inputs)
        paths = [work / program for program in programs]
        bundle.install_tool(name, paths, version="1.0", source="source", inputs=inputs)


def files(bundle: Bundle) -> list[str]:
    """Return what is below bin/ and images/."""
    paths = [*(bundle.root / "bin").iterdir(), *(bundle.root / "images").iterdir()]
    return sorted(str(path.relative_to(bundle.root)) for path in paths)


ALL = ["bin/alpha", "bin/beta", "bin/gamma", "images/pause-1.tar"]


def test_every_file_is_vouched_for(bundle: Bundle) -> None:
    manifest = bundle.read()
    assert files(bundle) == sorted(manifest.files) == ALL
    assert manifest.tools["b"]["files"] == ["bin/beta", "bin/gamma"]
    assert bundle.faults(manifest) == {}
    assert (bundle.root / "bin/alpha").stat().st_mode & 0o777 == 0o755
    assert not (bundle.root / ".staging").exists()


def test_manifests_have_a_directory_of_their_tool(bundle: Bundle) -> None:
    with bundle.staging() as staging:
        for name in ("alpha", "deploy.yaml"):
            (staging.path / name).write_text(name)
        documents = [staging.path / "deploy.yaml"]
        bundle.install_tool(
            "a", [staging.path / "alpha"], manifests=documents, version="1.0", source="source", inputs="1"
        )
    assert bundle.read().tools["a"]["files"] == ["bin/alpha", "manifests/a/deploy.yaml"]
    (bundle.root / "manifests/a/stray.yaml").write_text("stray")
    (bundle.root / "manifests/a/deploy.yaml").write_text("changed")
    assert bundle.faults(bundle.read()) == {"manifests/a/deploy.yaml": "has changed since it was made"}
    assert bundle.repair(tools=["a", "b"], images=["pause:1"]) == [
        "bin/alpha",
        "manifests/a/deploy.yaml",
        "manifests/a/stray.yaml",
    ]


def test_tool_is_the_same_only_for_the_same_inputs(bundle: Bundle) -> None:
    assert bundle.has_tool("b", "1")
    assert not bundle.has_tool("b", "2")
    assert not bundle.has_tool("c", "1")
    (bundle.root / "bin/gamma").unlink()
    assert not bundle.has_tool("b", "1")


def test_changed_tool_replaces_its_programs_alone(bundle: Bundle) -> None:
    install(bundle, "b", "2", "beta")
    assert files(bundle) == ["bin/alpha", "bin/beta", "images/pause-1.tar"]
    assert (bundle.root / "bin/alpha").read_text() == "1"
    assert bundle.faults(bundle.read()) == {}


def test_faults_are_named(bundle: Bundle) -> None:
    (bundle.root / "bin/alpha").write_text("x")
    (bundle.root / "images/pause-1.tar").unlink()
    assert bundle.faults(bundle.read()) == {
        "bin/alpha": "has changed since it was made",
        "images/pause-1.tar": "is missing",
    }


@pytest.mark.parametrize(
    ("damage", "keep_tools", "keep_images", "left"),
    [
        ([], ["a", "b"], ["pause:1"], ALL),
        ([], ["a"], ["pause:1"], ["bin/alpha", "images/pause-1.tar"]),
        ([], ["a", "b"], ["pause:2"], ["bin/alpha", "bin/beta", "bin/gamma"]),
        (["bin/beta"], ["a", "b"], ["pause:1"], ["bin/alpha", "images/pause-1.tar"]),
        (["images/pause-1.tar"], ["a", "b"], ["pause:1"], ["bin/alpha", "bin/beta", "bin/gamma"]),
        (["bin/stray", "images/.x.part"], ["a", "b"], ["pause:1"], ALL),
        (["manifest.json"], ["a", "b"], ["pause:1"], []),
    ],
    ids=["whole", "tool-unwanted", "image-unwanted", "program-changed", "archive-changed", "strays", "no-manifest"],
)
def test_repair(
    bundle: Bundle, damage: list[str], keep_tools: list[str], keep_images: list[str], left: list[str]
) -> None:
    for path in damage:
        (bundle.root / path).write_text("damage")
    bundle.repair(tools=keep_tools, images=keep_images)
    assert files(bundle) == sorted(bundle.read().files) == left
    assert bundle.repair(tools=keep_tools, images=keep_images) == []


def test_damaged_manifest_is_no_traceback(bundle: Bundle) -> None:
    (bundle.root / "manifest.json").write_text("{")
    with pytest.raises(BundleError, match=r"manifest.json is damaged .*: run `make bundle`"):
        bundle.read()


def test_leftovers_of_a_killed_run_are_removed(bundle: Bundle) -> None:
    (bundle.root / ".staging/programs").mkdir(parents=True)
    with bundle.staging() as staging:
        assert list(staging.path.iterdir()) == []


@pytest.mark.parametrize(("machine", "expected"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_architecture(machine: str, expected: str) -> None:
    assert architecture(machine) == expected


def test_unknown_architecture() -> None:
    with pytest.raises(BundleError, match="A riscv64 machine is not supported: use one of x86_64, aarch64"):
        architecture("riscv64")
