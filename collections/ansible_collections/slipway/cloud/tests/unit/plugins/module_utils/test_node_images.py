# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import typing as t
from dataclasses import replace

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._node_images import (
    PIN,
    Ctr,
    Image,
    NodeImagesError,
    Plan,
    Stored,
    as_listed,
    ensure_images,
    make_plan,
    parse_images,
    read_archive,
    repository,
    verify_archives,
)
from ansible_collections.slipway.cloud.plugins.module_utils._signing import Archive

if t.TYPE_CHECKING:
    import pathlib

PINNED = {PIN[0]: PIN[1]}
ID = "sha256:" + "c" * 64

# As containerd 2.3.4 prints it, the padding shortened.
LISTING = """\
REF           TYPE                                                 DIGEST   SIZE      PLATFORMS   LABELS
a.test/app:v1 application/vnd.docker.distribution.manifest.v2+json sha256:1 100.7 MiB linux/amd64 \
io.cri-containerd.image=managed,io.cri-containerd.pinned=pinned
a.test/app:v2 application/vnd.docker.distribution.manifest.v2+json sha256:2 0.0 B     -           -
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("registry.k8s.io/coredns/coredns:v1.14.2", "registry.k8s.io/coredns/coredns"),
        ("localhost:5000/app:v1", "localhost:5000/app"),
        ("localhost:5000/app", "localhost:5000/app"),
        ("a.test/app@" + ID, "a.test/app"),
        ("app:v1", "app"),
    ],
)
def test_repository(name: str, expected: str) -> None:
    assert repository(name) == expected


def test_parse_images() -> None:
    assert parse_images(LISTING, ["a.test/app:v1"]) == {
        "a.test/app:v1": Stored(target="sha256:1", labels={"io.cri-containerd.image": "managed", **PINNED}, ready=True),
        "a.test/app:v2": Stored(target="sha256:2", labels={}, ready=False),
    }


APP = Image(name="a.test/app:v2", archive="/app.tar", digest=ID)


@pytest.mark.parametrize(
    ("stored", "pinned", "supersede", "expected"),
    [
        pytest.param({}, True, False, Plan([APP], [], []), id="absent"),
        pytest.param({APP.name: Stored("t", PINNED, digest=ID)}, True, False, Plan([], [], []), id="as wanted"),
        pytest.param({APP.name: Stored("t", {}, digest=ID)}, True, False, Plan([], [APP.name], []), id="not pinned"),
        pytest.param({APP.name: Stored("t", PINNED, digest=ID)}, False, False, Plan([], [], [APP.name]), id="unpin"),
        pytest.param({APP.name: Stored("t", PINNED, digest="sha256:0")}, True, False, Plan([APP], [], []), id="other"),
        pytest.param({APP.name: Stored("t", {}, False, ID)}, True, False, Plan([APP], [], []), id="half imported"),
        pytest.param({"a.test/app:v1": Stored("t", PINNED)}, True, True, Plan([APP], [], ["a.test/app:v1"]), id="old"),
        pytest.param({"a.test/app:v1": Stored("t", PINNED)}, True, False, Plan([APP], [], []), id="old, kept"),
        pytest.param({"b.test/app:v1": Stored("t", PINNED)}, True, True, Plan([APP], [], []), id="not ours"),
    ],
)
def test_make_plan(stored: dict[str, Stored], pinned: bool, supersede: bool, expected: Plan) -> None:
    assert make_plan([APP], stored, pinned=pinned, supersede=supersede) == expected


def test_unknown_digest_is_not_compared() -> None:
    stored = {"a.test/app:v2": Stored("t", PINNED, digest="sha256:0")}
    assert not make_plan([Image(name="a.test/app:v2")], stored).changed


def _archive(path: pathlib.Path, manifest: str) -> str:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(manifest)
        archive.addfile(info, io.BytesIO(manifest.encode()))
    return str(path)


def _manifest(*names: str, config: str = f"{ID[7:]}.json") -> str:
    return json.dumps([{"Config": config, "RepoTags": names, "Layers": []}])


@pytest.mark.parametrize("config", [f"{ID[7:]}.json", f"blobs/sha256/{ID[7:]}"])
def test_read_archive(tmp_path: pathlib.Path, config: str) -> None:
    path = _archive(tmp_path / "app.tar", _manifest("a.test/app:v1", config=config))
    assert read_archive(Image(name="a.test/app:v1", archive=path)).digest == ID


@pytest.mark.parametrize(
    ("manifest", "digest", "message"),
    [
        (_manifest("a.test/other:v1"), "", "holds a.test/other:v1 with ID"),
        (_manifest("a.test/app:v1"), "sha256:0", "with ID sha256:0. Build it again"),
        (_manifest(), "", "Build it again"),
        ("[]", "", "cannot be read"),
        ("{", "", "cannot be read"),
    ],
)
def test_refused_archives(tmp_path: pathlib.Path, manifest: str, digest: str, message: str) -> None:
    path = _archive(tmp_path / "app.tar", manifest)
    with pytest.raises(NodeImagesError, match=message):
        read_archive(Image(name="a.test/app:v1", archive=path, digest=digest))


def test_file_that_is_no_archive(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "app.tar"
    path.write_text("<html>not found</html>")
    with pytest.raises(NodeImagesError, match="cannot be read as an archive of one image"):
        read_archive(Image(name="a.test/app:v1", archive=str(path)))


def test_one_flipped_bit_is_refused(tmp_path: pathlib.Path) -> None:
    paths = [tmp_path / f"{name}.tar" for name in ("app", "other", "third")]
    for path in paths:
        path.write_bytes(b"image")
    sha256 = hashlib.sha256(b"image").hexdigest()
    images = [Image(name=f"a.test/{path.stem}:v1", archive=str(path), sha256=sha256) for path in paths]
    verify_archives(images)
    for path in paths[1:]:
        path.write_bytes(b"imagf")
    with pytest.raises(NodeImagesError, match=rf"other.tar was changed: .*, not {sha256} \(and 1 more\). Remove"):
        verify_archives(images)


LISTED = {APP.name: Archive(file="app.tar", sha256="a" * 64, digest=ID)}


@pytest.mark.parametrize("image", [APP, Image(name=APP.name, archive=APP.archive), replace(APP, sha256="a" * 64)])
def test_image_is_as_its_list_has_it(image: Image) -> None:
    assert as_listed([image], LISTED) == [replace(APP, sha256="a" * 64)]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image(name="a.test/other:v1"), r"a.test/other:v1 is not in the signed list of image archives. Run site\.yml"),
        (replace(APP, sha256="b" * 64), "a.test/app:v2 has the sha256 aa.*, not bb.* as asked for"),
        (replace(APP, digest="sha256:0"), "a.test/app:v2 has the ID sha256:cc.*, not sha256:0 as asked for"),
    ],
)
def test_image_that_is_not_as_its_list_has_it(image: Image, message: str) -> None:
    with pytest.raises(NodeImagesError, match=message):
        as_listed([image], LISTED)


def _fake_ctr(path: pathlib.Path, script: str) -> Ctr:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Ctr(program=str(path), address="/run/none.sock", namespace="k8s.io")


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_is_missing_is_told_in_check_mode_only(tmp_path: pathlib.Path, check_mode: bool) -> None:
    ctr = _fake_ctr(tmp_path / "ctr", "echo REF")
    if check_mode:
        assert ensure_images(ctr, [APP], pinned=True, supersede=False, check_mode=True).missing == [APP]
        return
    with pytest.raises(NodeImagesError, match=r"lacks a.test/app:v2 and has no archive"):
        ensure_images(ctr, [APP], pinned=True, supersede=False, check_mode=False)


def test_containerd_that_does_not_answer(tmp_path: pathlib.Path) -> None:
    ctr = _fake_ctr(tmp_path / "ctr", "echo 'warning: old' >&2; echo 'dial: no such file' >&2; exit 1")
    with pytest.raises(NodeImagesError, match=r"dial: no such file. Is containerd running"):
        ctr.images([])


def test_no_ctr() -> None:
    with pytest.raises(NodeImagesError, match="Install containerd first"):
        Ctr(program="/nonexistent/ctr", address="", namespace="k8s.io").images([])
