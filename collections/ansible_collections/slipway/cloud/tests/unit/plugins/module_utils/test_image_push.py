# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import tarfile
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._image_archive import Config, Source, write_archive
from ansible_collections.slipway.cloud.plugins.module_utils._image_push import (
    Access,
    Archive,
    Location,
    RegistryError,
    locate,
    parse_challenge,
    push_image,
)

if t.TYPE_CHECKING:
    import pathlib


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("https://r.test:5000/team", Location("https://r.test:5000", "team/worker", "0a1b")),
        ("https://r.test/a/b/", Location("https://r.test", "a/b/worker", "0a1b")),
        ("http://127.0.0.1:5000", Location("http://127.0.0.1:5000", "worker", "0a1b")),
    ],
)
def test_locate(registry: str, expected: Location) -> None:
    assert locate(registry, "slipway.local/worker:0a1b") == expected


@pytest.mark.parametrize("registry", ["r.test:5000/team", "ftp://r.test", "https://", "https://ci:secret@r.test"])
def test_urls_that_are_refused(registry: str) -> None:
    with pytest.raises(RegistryError, match=r"write it as https://registry\.example:5000/team"):
        locate(registry, "slipway.local/worker:0a1b")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="x"', ("basic", {"realm": "x"})),
        ('Bearer realm="https://a.test/t",service="r"', ("bearer", {"realm": "https://a.test/t", "service": "r"})),
        ("", ("", {})),
    ],
)
def test_parse_challenge(header: str, expected: tuple[str, dict[str, str]]) -> None:
    assert parse_challenge(header) == expected


def test_manifest(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "app.tar"
    digest = write_archive(
        path, name="a.test/app:1", config=Config("amd64"), base=None, sources=[Source("/a", content="a")]
    )
    with tarfile.open(path) as tar:
        archive = Archive(tar)
        manifest = json.loads(archive.manifest)
        assert archive.name == "a.test/app:1"
        assert manifest["config"]["digest"] == digest
        assert [layer["size"] for layer in manifest["layers"]] == [len(archive.open(archive.layers[0]).read())]


def test_file_that_is_no_archive(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "app.tar"
    path.write_text("<html>")
    with pytest.raises(RegistryError, match=r"app\.tar cannot be read as an archive of one image"):
        push_image(path, "https://r.test", Access())
