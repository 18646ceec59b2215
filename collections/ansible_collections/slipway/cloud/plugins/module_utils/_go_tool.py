# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Build the programs of one pinned Go module file with nothing taken on trust.

``go.mod`` names exact versions and ``go.sum`` their hashes, which Go's checksum database vouched for when they were
written; ``-mod=readonly`` keeps a build from changing either.
"""

# pylint: disable=ansible-bad-function  # no AnsibleModule is known here, so there is no run_command
from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import typing as t
from dataclasses import asdict, dataclass, field
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Part of every tool's inputs: a change of how tools are built rebuilds them all.
_RECIPE_VERSION = 1

_LAST_LINES = 15


class GoToolError(Exception):
    """Which step failed, with the last lines of its output, and where the rest is."""


@dataclass(frozen=True)
class Recipe:
    """What decides the bytes of a tool's programs, its module file apart.

    ``main`` names the ``module`` whose main package is copied (``file``), less the blank imports of ``without``;
    each of ``c_programs`` has a ``name``, the ``source`` of the C file in ``module``, and ``flags`` for the compiler;
    ``manifests`` maps files of ``manifests_module`` to their sha256.
    """

    packages: list[str]
    ldflags: list[str] = field(default_factory=list)
    rename: dict[str, str] = field(default_factory=dict)
    main: dict[str, t.Any] | None = None
    c_programs: list[dict[str, t.Any]] = field(default_factory=list)
    manifests: dict[str, str] = field(default_factory=dict)
    manifests_module: str | None = None


def inputs_hash(recipe: Recipe, *, module_dir: Path, go_version: str, arch: str) -> str:
    """Return the hash of everything that decides the programs."""
    pins = [(module_dir / name).read_text() for name in ("go.mod", "go.sum")]
    decisive = asdict(recipe)
    if not recipe.manifests:  # tools without any were built before there were such
        del decisive["manifests"], decisive["manifests_module"]
    return hashlib.sha256(json.dumps([_RECIPE_VERSION, decisive, pins, go_version, arch]).encode()).hexdigest()


def environment(environ: Mapping[str, str], *, cache: Path, work: Path, memory: int) -> dict[str, str]:
    """Return the environment of Go: the machine's own (its GOFLAGS and proxy too), our directories, and no cgo.

    :param memory: bytes that the machine has. While there is enough, the compiler seldom collects garbage: that takes
        a fifth off the processor time of a build.
    """
    ours = {
        "GOGC": "400",
        "GOMEMLIMIT": f"{memory // 4 >> 20}MiB",
        "GOMODCACHE": str(cache / "mod"),
        "GOCACHE": str(cache / "build"),
        "GOBIN": str(work / "programs"),
        "GOTMPDIR": str(work / "tmp"),
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    return {**environ, **ours}


def without_imports(source: str, imports: Iterable[str]) -> str:
    """Return Go source less the given blank imports; GoToolError for one that is not there."""
    for name in imports:
        source, count = re.subn(rf'^\s*_ "{re.escape(name)}"\n', "", source, flags=re.MULTILINE)
        if count != 1:
            raise GoToolError(f'The main package has no line `_ "{name}"`: adapt `without` to its version.')
    return source


class Builder:
    """Builds in a directory of its own, so that neither the pins nor a bundle is touched before all is well.

    ``log`` gets the output of every command; ``lock`` is a descriptor that every child inherits.
    """

    def __init__(self, go: str, *, work: Path, cache: Path, log: Path, lock: int) -> None:
        self.go = go
        self.work = work
        self.programs = work / "programs"
        self.log = log
        self._lock = lock
        self._environment = environment(os.environ, cache=cache, work=work, memory=_memory())

    def build(self, recipe: Recipe, *, module_dir: Path) -> list[Path]:
        """Build and return the programs."""
        for directory in (self.programs, self.work / "tmp"):
            directory.mkdir()
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(module_dir / name, self.work / name)
        if recipe.main:
            self._copy_main(**recipe.main)
        ldflags = " ".join(["-s", "-w", *recipe.ldflags])
        options = ["-v", "-mod=readonly", "-modcacherw", "-trimpath", "-buildvcs=false", "-ldflags", ldflags]
        self._run(self.go, "install", *options, *recipe.packages)
        for old, new in recipe.rename.items():
            (self.programs / old).rename(self.programs / new)
        for program in recipe.c_programs:
            self._compile_c(**program)
        return sorted(self.programs.iterdir())

    def copy_manifests(self, module: str, files: Mapping[str, str]) -> list[Path]:
        """Copy manifests of a module (path -> sha256) and return the copies."""
        directory = self._module_directory(module)
        target = self.work / "manifests"
        target.mkdir()
        copies = [Path(shutil.copyfile(directory / name, target / Path(name).name)) for name in files]
        for copy, (name, expected) in zip(copies, files.items(), strict=True):
            actual = hashlib.sha256(copy.read_bytes()).hexdigest()
            if actual != expected:
                raise GoToolError(
                    f"{name} of {module} has the sha256 {actual}, not {expected}: pin that of its version."
                )
        return copies

    def _copy_main(self, *, module: str, file: str, without: list[str]) -> None:
        source = (self._module_directory(module) / file).read_text()
        (self.work / "main.go").write_text(without_imports(source, without))

    def _compile_c(self, *, name: str, module: str, source: str, flags: list[str]) -> None:
        path = self._module_directory(module) / source
        self._run("gcc", "-Os", "-Wall", "-static", "-s", *flags, "-o", str(self.programs / name), str(path))

    def _module_directory(self, module: str) -> Path:
        return Path(json.loads(self._run(self.go, "mod", "download", "-json", module))["Dir"])

    def _run(self, *command: str) -> str:
        with self.log.open("ab") as log:
            try:
                done = subprocess.run(
                    command,
                    cwd=self.work,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    pass_fds=[self._lock],
                    check=False,
                    text=True,
                )
            except FileNotFoundError as error:
                raise GoToolError(f"{command[0]} is not installed: {error}.") from error
        if done.returncode:
            raise GoToolError(self._failure(command, done.returncode))
        return done.stdout

    def _failure(self, command: tuple[str, ...], status: int) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join([f"`{' '.join(command[:2])}` ended with status {status}; all of it is in {self.log}:", *lines])


def _memory() -> int:
    """Return the bytes of memory that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def go_version(go: str) -> str:
    """Return the version of the Go that is to build (``go1.26.6``); GoToolError when there is none."""
    try:
        environ = {**os.environ, "GOTOOLCHAIN": "local"}
        done = subprocess.run([go, "env", "GOVERSION"], env=environ, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise GoToolError(f"{go} cannot be run ({error}): `make venv` installs it.") from error
    return done.stdout.strip()
