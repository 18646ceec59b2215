# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Images of this project: named by the hash of their inputs, built only when one of those changed.

The cache holds for each image ``<name>-<hash>.tar`` and beside it ``<name>-<hash>.json``, which is written last: an
archive without it is what a killed run left. The wheels of an image are a layer of their own, kept beside it as
``wheels-<name>-<hash>.tar``: they take longest to install, for a node to unpack too, and seldom change.
"""

# pylint: disable=ansible-bad-function  # no AnsibleModule is known here, so there is no run_command
from __future__ import annotations

import compileall
import dataclasses
import fcntl
import hashlib
import json
import os
import platform
import py_compile
import re
import shutil
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path

from ._bundle import architecture, sha256_of
from ._image_archive import Config, Source, write_archive, write_layer

# Part of every hash: a change to how images are made makes them all anew.
_RECIPE = 2

_HASH = "[0-9a-f]" * 12  # as a glob pattern

_IGNORED = shutil.ignore_patterns("__pycache__")

# The C libraries that the wheels may need: every supported distribution has at least glibc 2.34.
_GLIBC = range(34, 16, -1)


class ImageBuildError(Exception):
    """What is wrong with which input of which image, and what to do."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides the content of an image.

    ``base`` is a root file system as tar, its name ending in the hash of its own inputs; ``requirements`` a lock file
    of pip with hashes; ``packages`` maps the import names of Python packages to their directories.
    """

    name: str
    base: Path
    config: Config
    requirements: Path | None = None
    packages: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    files: t.Sequence[Source] = ()

    def digest(self) -> str:
        """Return 12 hexadecimal digits that change with any input; ImageBuildError for one that is not there."""
        try:
            inputs = {
                "recipe": _RECIPE,
                "base": self.base.name,
                "config": dataclasses.asdict(self.config),
                "requirements": self.requirements and self.requirements.read_text(),
                "packages": {package: _tree(Path(path)) for package, path in self.packages.items()},
                "files": [
                    {**dataclasses.asdict(file), "src": file.src and _tree(Path(file.src))} for file in self.files
                ],
            }
        except OSError as error:
            raise ImageBuildError(f"Image {self.name}: {error.filename}: {error.strerror}.") from error
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]


@dataclasses.dataclass(frozen=True)
class Image:
    """Full name; file name and sha256 of the archive; digest of the configuration. The last two only of a built one."""

    name: str
    archive: str
    sha256: str = ""
    digest: str = ""


def _tree(root: Path) -> dict[str, str]:
    """Return relative path -> sha256 of the files below a directory, or of one file; with ``x`` for programs.

    Without what Python writes there while it runs from that directory.
    """
    if not root.is_dir():
        return {"": _fingerprint(root.resolve(strict=True))}
    files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(root)): _fingerprint(path) for path in files}


def _fingerprint(path: Path) -> str:
    return sha256_of(path) + ("x" if path.stat().st_mode & 0o100 else "")


def pip_arguments(requirements: Path, target: Path, *, version: str, machine: str) -> list[str]:
    """Return pip's arguments to install locked wheels for a Python that is not the one that runs pip.

    :param version: of the image's Python, as ``3.11``.
    :param machine: as uname tells it, as ``x86_64``.
    """
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in _GLIBC] + [f"manylinux2014_{machine}"]
    return [
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        "--no-compile",
        "--implementation=cp",
        f"--python-version={version}",
        *(f"--platform={name}" for name in platforms),
        f"--target={target}",
        f"--requirement={requirements}",
    ]


def python_version(base: Path) -> str:
    """Return the version of the Python in a root file system, as ``3.11``; ImageBuildError where there is none."""
    with tarfile.open(base) as archive:
        for member in archive:
            if member.name.removeprefix("./") == "usr/bin/python3" and (
                version := re.fullmatch(r"python(3\.\d+)", member.linkname)
            ):
                return version[1]
    raise ImageBuildError(f"{base} has no /usr/bin/python3, which Python packages need: add python3-minimal to it.")


class Cache:
    """The directory of built images."""

    def __init__(self, root: Path, *, repository: str, pip_cache: Path) -> None:
        self._root = root
        self._repository = repository
        self._pip_cache = pip_cache

    def planned(self, recipe: Recipe) -> Image:
        """Return the image as it is known before it is built."""
        digest = recipe.digest()
        return Image(name=f"{self._repository}/{recipe.name}:{digest}", archive=f"{recipe.name}-{digest}.tar")

    def find(self, recipe: Recipe) -> Image | None:
        """Return the image made from exactly these inputs, if it was built and nobody has changed its archive since."""
        image = self.planned(recipe)
        archive = self._root / image.archive
        try:
            built = dataclasses.replace(image, **json.loads(archive.with_suffix(".json").read_text()))
        except (FileNotFoundError, TypeError, ValueError):
            return None
        return built if built.sha256 == sha256_of(archive) else None

    def build(self, recipe: Recipe) -> Image:
        """Build an image unless it is there; ImageBuildError says which input is wrong."""
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / f".{recipe.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            image = self.find(recipe) or self._build(recipe)
            os.utime(self._root / image.archive)  # the newest is the one last used
            return image

    def prune(self, name: str, *, keep: int) -> list[str]:
        """Remove all but the newest ``keep`` images of a name, and return their archives' file names."""
        archives = self._root.glob(f"{name}-{_HASH}.tar")
        outdated = sorted(archives, key=lambda path: path.stat().st_mtime, reverse=True)[max(keep, 1) :]
        for archive in outdated:
            archive.with_suffix(".json").unlink(missing_ok=True)
            archive.unlink()
        return sorted(archive.name for archive in outdated)

    def _build(self, recipe: Recipe) -> Image:
        if not recipe.base.is_file():
            raise ImageBuildError(f"Image {recipe.name}: its base {recipe.base} does not exist: make it first.")
        image = self.planned(recipe)
        archive = self._root / image.archive
        work = self._empty_directory(recipe.name)
        try:
            wheels = [self._wheels(recipe, recipe.requirements, work / "wheels")] if recipe.requirements else []
            python = [_packages(recipe, work / "packages")] if recipe.packages else []
            digest = write_archive(
                archive,
                name=image.name,
                config=recipe.config,
                base=recipe.base,
                between=wheels,
                sources=[*python, *recipe.files],
            )
        finally:
            shutil.rmtree(work)
        built = dataclasses.replace(image, sha256=sha256_of(archive), digest=digest)
        staged = archive.with_name(f".{archive.name}.json")
        staged.write_text(json.dumps({"sha256": built.sha256, "digest": built.digest}))
        staged.replace(archive.with_suffix(".json"))
        return built

    def _empty_directory(self, name: str) -> Path:
        """Return a directory to work in; what a killed run left of this name is removed."""
        for leftover in self._root.glob(f".{name}-{_HASH}.tar.*"):
            leftover.unlink()
        work = self._root / f".{name}.build"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        return work

    def _wheels(self, recipe: Recipe, requirements: Path, work: Path) -> Path:
        """Return the layer of an image's wheels; it is made if there is none of exactly these."""
        version = python_version(recipe.base)
        made_from = [_RECIPE, version, sys.version, platform.machine(), requirements.read_text()]
        digest = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:12]
        layer = self._root / f"wheels-{recipe.name}-{digest}.tar"
        if not layer.exists():
            _install_wheels(recipe.name, requirements, work, version=version, pip_cache=self._pip_cache)
            write_layer(layer, [_installed(work, version)])
        for outdated in set(self._root.glob(f"wheels-{recipe.name}-{_HASH}.tar")) - {layer}:
            outdated.unlink()
        return layer


def _packages(recipe: Recipe, work: Path) -> Source:
    """Return packages of our own where the image's Python looks for them."""
    for package, directory in recipe.packages.items():
        shutil.copytree(directory, work / package, ignore=_IGNORED)
    return _installed(work, python_version(recipe.base))


def _install_wheels(name: str, requirements: Path, work: Path, *, version: str, pip_cache: Path) -> None:
    arguments = pip_arguments(requirements, work, version=version, machine=platform.machine())
    pip = [sys.executable, "-m", "pip", "--cache-dir", str(pip_cache), *arguments]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = "\n".join(done.stderr.strip().splitlines()[-10:])
        raise ImageBuildError(f"Image {name}: pip cannot install {requirements}: {reason}")
    shutil.rmtree(work / "bin", ignore_errors=True)  # their first line names the Python that ran pip


def _installed(work: Path, version: str) -> Source:
    """Return what is below ``work`` as what the image's Python of that version finds, compiled if possible."""
    dest = f"/usr/local/lib/python{version}/dist-packages"
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        _compile(work, dest)
    return Source(dest=dest, src=str(work))


def _compile(work: Path, dest: str) -> None:
    """Compile what is below ``work`` for a read-only ``dest``: without times, so that the bytes stay the same."""
    compileall.compile_dir(
        work,
        quiet=2,
        stripdir=str(work),
        prependdir=dest,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        workers=1,
    )


def config_of(options: t.Mapping[str, t.Any]) -> Config:
    """Return an image's configuration from a module's options."""
    names = [field.name for field in dataclasses.fields(Config) if field.name != "architecture"]
    given = {name: options[name] for name in names if options.get(name)}
    return Config(architecture=architecture(platform.machine()), **given)
