# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import sys
import tarfile
import typing as t
import zipfile

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._image_archive import Config, Source
from ansible_collections.slipway.cloud.plugins.module_utils._image_build import (
    Cache,
    ImageBuildError,
    Recipe,
    pip_arguments,
    python_version,
)

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def write_base(path: pathlib.Path, python: str = HERE) -> pathlib.Path:
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("./usr/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, f"python{python}"
        tar.addfile(link)
    return path


@pytest.fixture
def recipe(tmp_path: pathlib.Path) -> Recipe:
    package = tmp_path / "src" / "app"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("ANSWER = 42\n")
    (tmp_path / "run").write_text("#!/bin/sh\n")
    return Recipe(
        name="app",
        base=write_base(tmp_path / "python-base-0a1b2c3d4e5f.tar"),
        config=Config(architecture="amd64", entrypoint=["python3", "-m", "app"]),
        packages={"app": str(package)},
        files=[Source(dest="/run", src=str(tmp_path / "run"))],
    )


@pytest.fixture
def cache(tmp_path: pathlib.Path) -> Cache:
    return Cache(tmp_path / "images", repository="slipway.local", pip_cache=tmp_path / "pip")


def test_digest_is_stable_and_sees_no_bytecode(tmp_path: pathlib.Path, recipe: Recipe) -> None:
    before = recipe.digest()
    (tmp_path / "src/app/__pycache__").mkdir()
    (tmp_path / "src/app/__pycache__/__init__.pyc").write_text("x")
    os.utime(tmp_path / "run", (0, 0))
    assert recipe.digest() == before
    assert len(before) == 12


def change_source(path: pathlib.Path) -> None:
    (path / "src/app/__init__.py").write_text("ANSWER = 43\n")


def change_mode(path: pathlib.Path) -> None:
    (path / "run").chmod(0o755)


def rename_source(path: pathlib.Path) -> None:
    (path / "src/app/__init__.py").rename(path / "src/app/__main__.py")


@pytest.mark.parametrize("change", [change_source, change_mode, rename_source])
def test_digest_follows_files(tmp_path: pathlib.Path, recipe: Recipe, change: t.Callable[[pathlib.Path], None]) -> None:
    before = recipe.digest()
    change(tmp_path)
    assert recipe.digest() != before


@pytest.mark.parametrize(
    "change",
    [
        {"config": Config(architecture="arm64", entrypoint=["python3", "-m", "app"])},
        {"packages": {}},
        {"files": []},
    ],
)
def test_digest_follows_options(recipe: Recipe, change: dict[str, t.Any]) -> None:
    assert dataclasses.replace(recipe, **change).digest() != recipe.digest()


def test_digest_follows_base_and_lock_file(tmp_path: pathlib.Path, recipe: Recipe) -> None:
    other_base = dataclasses.replace(recipe, base=tmp_path / "python-base-ffffffffffff.tar")
    lock = tmp_path / "requirements.txt"
    lock.write_text("a==1 --hash=sha256:00\n")
    locked = dataclasses.replace(recipe, requirements=lock)
    digests = {recipe.digest(), other_base.digest(), locked.digest()}
    lock.write_text("a==2 --hash=sha256:00\n")
    assert len(digests | {locked.digest()}) == 4


@pytest.mark.parametrize("change", [{"packages": {"app": "/nonexistent"}}, {"files": [Source("/a", "/nonexistent")]}])
def test_missing_input(recipe: Recipe, change: dict[str, t.Any]) -> None:
    with pytest.raises(ImageBuildError, match=r"Image app: /nonexistent: No such file or directory\."):
        dataclasses.replace(recipe, **change).digest()


def test_missing_base(recipe: Recipe, cache: Cache) -> None:
    with pytest.raises(ImageBuildError, match=r"Image app: its base /nonexistent\.tar does not exist"):
        cache.build(dataclasses.replace(recipe, base=pathlib.Path("/nonexistent.tar")))


def test_build_once(tmp_path: pathlib.Path, recipe: Recipe, cache: Cache) -> None:
    assert cache.find(recipe) is None
    image = cache.build(recipe)
    assert image.name == f"slipway.local/app:{recipe.digest()}"
    archive = tmp_path / "images" / image.archive
    written = archive.stat().st_ino
    assert cache.build(recipe) == cache.find(recipe) == image
    assert archive.stat().st_ino == written


@pytest.mark.parametrize("damaged", [".tar", ".json"])
def test_damaged_image_is_built_anew(tmp_path: pathlib.Path, recipe: Recipe, cache: Cache, damaged: str) -> None:
    image = cache.build(recipe)
    (tmp_path / "images" / image.archive).with_suffix(damaged).write_text("{}")
    assert cache.find(recipe) is None
    assert cache.build(recipe) == cache.find(recipe) == image


def test_content(tmp_path: pathlib.Path, recipe: Recipe, cache: Cache) -> None:
    with tarfile.open(tmp_path / "images" / cache.build(recipe).archive) as image:
        layer = image.getnames()[-1]
        with tarfile.open(fileobj=image.extractfile(layer)) as files:
            names = set(files.getnames())
    packages = f"usr/local/lib/python{HERE}/dist-packages/app"
    assert {f"{packages}/__init__.py", f"{packages}/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"} <= names
    assert "run" in names


def lock_of_a_wheel(tmp_path: pathlib.Path, answer: int) -> pathlib.Path:
    wheel = tmp_path / "wheel-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("wheel.py", f"ANSWER = {answer}\n")
        file.writestr("wheel-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: wheel\nVersion: 1\n")
        file.writestr("wheel-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("wheel-1.dist-info/RECORD", "")
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"wheel @ file://{wheel} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return lock


def layers(archive: pathlib.Path) -> list[tuple[str, set[str]]]:
    """The layers of an image, and what is in each."""
    found = []
    with tarfile.open(archive) as image:
        for name in image.getnames()[2:]:
            with tarfile.open(fileobj=image.extractfile(name)) as files:
                found.append((name, {pathlib.PurePath(each).name for each in files.getnames()}))
    return found


def test_wheels_are_a_layer_that_is_kept(tmp_path: pathlib.Path, recipe: Recipe, cache: Cache) -> None:
    locked = dataclasses.replace(recipe, requirements=lock_of_a_wheel(tmp_path, 42))
    first = layers(tmp_path / "images" / cache.build(locked).archive)
    [kept] = (tmp_path / "images").glob("wheels-app-*.tar")
    written = kept.stat().st_ino
    assert "wheel.py" in first[1][1]
    assert "wheel.py" not in first[2][1]

    change_source(tmp_path)
    second = layers(tmp_path / "images" / cache.build(locked).archive)
    assert [name for name, _files in second[:2]] == [name for name, _files in first[:2]]
    assert second[2] != first[2]
    assert kept.stat().st_ino == written

    lock_of_a_wheel(tmp_path, 43)
    third = layers(tmp_path / "images" / cache.build(locked).archive)
    assert third[1] != first[1]
    assert not kept.exists()


def test_same_inputs_give_the_same_bytes(tmp_path: pathlib.Path, recipe: Recipe, cache: Cache) -> None:
    again = Cache(tmp_path / "again", repository="slipway.local", pip_cache=tmp_path / "pip")
    assert cache.build(recipe) == again.build(recipe)


def test_killed_build_is_built_anew(tmp_path: pathlib.Path, recipe: Recipe, cache: Cache) -> None:
    image = cache.planned(recipe)
    (tmp_path / "images/.app.build/app").mkdir(parents=True)
    for leftover in (image.archive, f".{image.archive}.part", ".app.build/app/half"):
        (tmp_path / "images" / leftover).write_text("half")
    built = cache.build(recipe)
    assert built.digest.startswith("sha256:")
    assert {path.name for path in (tmp_path / "images").iterdir()} == {
        ".app.lock",
        built.archive,
        built.archive.replace(".tar", ".json"),
    }


def test_prune_keeps_the_newest_and_the_one_in_use(tmp_path: pathlib.Path, recipe: Recipe, cache: Cache) -> None:
    (tmp_path / "images").mkdir()
    for age, name in enumerate(["app-aaaaaaaaaaaa", "app-bbbbbbbbbbbb", "app-cccccccccccc", "app-two-aaaaaaaaaaaa"]):
        for suffix in (".tar", ".json"):
            path = tmp_path / "images" / (name + suffix)
            path.touch()
            os.utime(path, (1000 - age, 1000 - age))
    cache.build(recipe)
    assert cache.prune("app", keep=2) == ["app-bbbbbbbbbbbb.tar", "app-cccccccccccc.tar"]
    assert not (tmp_path / "images/app-bbbbbbbbbbbb.json").exists()
    assert (tmp_path / "images/app-two-aaaaaaaaaaaa.tar").exists()
    assert cache.find(recipe)


def test_python_version(tmp_path: pathlib.Path) -> None:
    assert python_version(write_base(tmp_path / "a.tar", "3.12")) == "3.12"


def test_base_without_python(tmp_path: pathlib.Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w"):
        pass
    with pytest.raises(ImageBuildError, match="add python3-minimal"):
        python_version(tmp_path / "a.tar")


def test_pip_arguments(tmp_path: pathlib.Path) -> None:
    arguments = pip_arguments(tmp_path / "lock", tmp_path / "out", version="3.12", machine="aarch64")
    assert {"--require-hashes", "--only-binary=:all:", "--python-version=3.12"} <= set(arguments)
    platforms = [argument.partition("=")[2] for argument in arguments if argument.startswith("--platform=")]
    assert (platforms[0], platforms[-2:]) == (
        "manylinux_2_34_aarch64",
        ["manylinux_2_17_aarch64", "manylinux2014_aarch64"],
    )
