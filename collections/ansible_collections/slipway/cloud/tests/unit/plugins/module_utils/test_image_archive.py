# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of image archives, read back as the container tools read them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._image_archive import (
    Config,
    ImageArchiveError,
    Source,
    archived_digest,
    image_digest,
    write_archive,
)

if TYPE_CHECKING:
    from pathlib import Path

NAME = "registry.example/app:1"
CONFIG = Config(architecture="arm64", entrypoint=["/app"], user="65532:65532", env={"B": "2", "A": "1"})


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    """A program, a directory with a link and odd modes, a text, and an empty directory."""
    program, tree = tmp_path / "app", tmp_path / "tree"
    program.write_text("program")
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/data").write_text("data")
    (tree / "sub/data").chmod(0o600)
    (tree / "run").write_text("run")
    (tree / "run").chmod(0o700)
    (tree / "link").symlink_to("run")
    return [
        Source(dest="/usr/bin/app", src=str(program)),
        Source(dest="/opt/tree", src=str(tree)),
        Source(dest="/etc/passwd", content="root:x:0:0::/:\n", mode=0o644),
        Source(dest="/tmp", mode=0o1777),
    ]


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any], list[tarfile.TarInfo]]:
    """Return an archive's manifest, configuration, and the entries of its last layer."""
    with tarfile.open(path) as archive:

        def content(name: str) -> bytes:
            file = archive.extractfile(name)
            assert file
            return file.read()

        (manifest,) = json.loads(content("manifest.json"))
        config = json.loads(content(manifest["Config"]))
        for layer, diff_id in zip(manifest["Layers"], config["rootfs"]["diff_ids"], strict=True):
            assert f"sha256:{hashlib.sha256(content(layer)).hexdigest()}" == diff_id
        with tarfile.open(fileobj=archive.extractfile(manifest["Layers"][-1])) as layer:
            return manifest, config, layer.getmembers()


def test_archive(tmp_path: Path, sources: list[Source]) -> None:
    path = tmp_path / "app.tar"
    digest = write_archive(path, name=NAME, config=CONFIG, base=None, sources=sources)
    manifest, config, entries = read(path)
    assert manifest["RepoTags"] == [NAME]
    assert manifest["Config"] == f"{digest.removeprefix('sha256:')}.json"
    assert (config["architecture"], config["os"]) == ("arm64", "linux")
    assert config["config"]["Env"][1:] == ["A=1", "B=2"]
    assert config["config"]["User"] == "65532:65532"
    assert [(entry.name, oct(entry.mode)) for entry in entries] == [
        ("etc", "0o755"),
        ("etc/passwd", "0o644"),
        ("opt", "0o755"),
        ("opt/tree", "0o755"),
        ("opt/tree/link", "0o777"),
        ("opt/tree/run", "0o755"),
        ("opt/tree/sub", "0o755"),
        ("opt/tree/sub/data", "0o644"),
        ("tmp", "0o1777"),
        ("usr", "0o755"),
        ("usr/bin", "0o755"),
        ("usr/bin/app", "0o755"),
    ]
    assert {(entry.uid, entry.gid, entry.uname, entry.mtime) for entry in entries} == {(0, 0, "root", 0)}
    assert list(tmp_path.glob(".*")) == []


def test_same_inputs_same_bytes(tmp_path: Path, sources: list[Source]) -> None:
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    write_archive(first, name=NAME, config=CONFIG, base=None, sources=sources)
    os.utime(tmp_path / "app", (1, 1))
    write_archive(second, name=NAME, config=CONFIG, base=None, sources=sources[::-1])
    assert first.read_bytes() == second.read_bytes()


def test_base_is_the_first_layer(tmp_path: Path, sources: list[Source]) -> None:
    base, path = tmp_path / "base.tar", tmp_path / "app.tar"
    with tarfile.open(base, "w") as archive:
        archive.add(tmp_path / "app", "bin/sh")
    digest = write_archive(path, name=NAME, config=CONFIG, base=base, sources=sources)
    manifest = read(path)[0]
    assert manifest["Layers"][0] == f"{hashlib.sha256(base.read_bytes()).hexdigest()}.tar"
    assert digest == image_digest(config=CONFIG, base=base, sources=sources)


def test_digest_is_that_of_the_archive(tmp_path: Path, sources: list[Source]) -> None:
    path = tmp_path / "app.tar"
    digest = image_digest(config=CONFIG, base=None, sources=sources)
    assert archived_digest(path, NAME) is None
    assert write_archive(path, name=NAME, config=CONFIG, base=None, sources=sources) == digest
    assert archived_digest(path, NAME) == digest
    assert archived_digest(path, "registry.example/other:1") is None
    changed = dataclasses.replace(CONFIG, user="")
    assert image_digest(config=changed, base=None, sources=sources) != digest
    (tmp_path / "tree/run").write_text("ran")
    assert image_digest(config=CONFIG, base=None, sources=sources) != digest


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\0" * 1024])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    assert archived_digest(path, NAME) is None


def test_missing_source(tmp_path: Path) -> None:
    source = Source(dest="/app", src=str(tmp_path / "gone"))
    with pytest.raises(ImageArchiveError, match=r"gone, wanted at /app in the image, does not exist"):
        image_digest(config=CONFIG, base=None, sources=[source])
