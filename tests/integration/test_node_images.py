"""Images reach a real containerd, and what its CRI plugin makes of them."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._bundle import architecture
from ansible_collections.slipway.cloud.plugins.module_utils._image_archive import Config, Source, write_archive
from ansible_collections.slipway.cloud.plugins.module_utils._node_images import (
    Ctr,
    Image,
    NodeImagesError,
    Plan,
    ensure_images,
)
from tests.support.paths import BUNDLE_BIN
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARCHITECTURE = architecture(platform.machine())
CONFIG = """\
version = 3
root = '{home}/root'
state = '{home}/state'
disabled_plugins = ['io.containerd.nri.v1.nri']  # it listens where all share
[grpc]
  address = '{home}/containerd.sock'
"""


@pytest.fixture(scope="module")
def ctr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ctr]:
    """The client of a containerd of our own."""
    home = tmp_path_factory.mktemp("containerd")
    (home / "config.toml").write_text(CONFIG.format(home=home))
    command = ["setpriv", "--pdeathsig", "KILL", str(BUNDLE_BIN / "containerd"), "--config", str(home / "config.toml")]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    client = Ctr(program=str(BUNDLE_BIN / "ctr"), address=str(home / "containerd.sock"), namespace="k8s.io")
    try:
        eventually(lambda: _answers(client), within=10, what="containerd")
        yield client
    finally:
        process.kill()
        process.wait()


def _answers(ctr: Ctr) -> bool:
    try:
        ctr.images([])
    except NodeImagesError as error:
        raise AssertionError(str(error)) from error
    return True


def make(directory: Path, name: str, content: str) -> Image:
    """Make an image of one file."""
    archive = directory / f"{content}.tar"
    write_archive(
        archive, name=name, config=Config(ARCHITECTURE), base=None, sources=[Source(dest="/content", content=content)]
    )
    return Image(name=name, archive=str(archive))


def ensure(ctr: Ctr, *images: Image, pinned: bool = True, check_mode: bool = False) -> Plan:
    return ensure_images(ctr, images, pinned=pinned, supersede=True, check_mode=check_mode)


def test_imports_what_is_lacking_once(ctr: Ctr, tmp_path: Path) -> None:
    images = [make(tmp_path, f"a.test/app{number}:v1", f"content {number}") for number in range(3)]
    names = [image.name for image in images]
    assert [image.name for image in ensure(ctr, *images, check_mode=True).missing] == names
    assert [image.name for image in ensure(ctr, *images).missing] == names
    assert not ensure(ctr, *images).changed
    stored = ctr.images(names)
    assert [(stored[name].pinned, stored[name].ready) for name in names] == [(True, True)] * 3


def test_other_content_of_the_same_name_is_imported(ctr: Ctr, tmp_path: Path) -> None:
    ensure(ctr, make(tmp_path, "b.test/app:v1", "old"))
    new = make(tmp_path, "b.test/app:v1", "new")
    assert [image.name for image in ensure(ctr, new).missing] == ["b.test/app:v1"]
    assert not ensure(ctr, new).changed


def test_outdated_tags_lose_their_pin(ctr: Ctr, tmp_path: Path) -> None:
    ensure(ctr, make(tmp_path, "c.test/app:v1", "old"))
    new = make(tmp_path, "c.test/app:v2", "new")
    assert ensure(ctr, new).unpin == ["c.test/app:v1"]
    assert not ensure(ctr, new).changed
    assert not ctr.images([])["c.test/app:v1"].pinned


def test_pins_come_and_go(ctr: Ctr, tmp_path: Path) -> None:
    image = make(tmp_path, "d.test/app:v1", "content")
    ensure(ctr, image, pinned=False)
    assert ensure(ctr, image).pin == [image.name]
    assert ensure(ctr, image, pinned=False).unpin == [image.name]
    assert not ensure(ctr, image, pinned=False).changed


def test_changed_archive_is_not_imported(ctr: Ctr, tmp_path: Path) -> None:
    image = dataclasses.replace(make(tmp_path, "e.test/app:v1", "content"), sha256="0" * 64)
    with pytest.raises(NodeImagesError, match="was changed"):
        ensure(ctr, image)
    assert image.name not in ctr.images([])


def test_the_kubelet_is_told_by_the_id(ctr: Ctr, tmp_path: Path) -> None:
    """containerd's CRI plugin has seen an image when it has given it a second name, its ID."""
    image = make(tmp_path, "f.test/app:v1", "content")
    digest = ensure(ctr, image).missing[0].digest
    eventually(lambda: digest in ctr.images([]), within=5, what="the image's ID")
