# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""A bundle: programs below ``bin/``, image archives below ``images/``, and a manifest that vouches for every file.

``manifest.json`` holds

- ``files``: relative path -> sha256 of every file,
- ``tools``: name -> ``{version, source, inputs, files}``; ``source`` is ``source``, ``release`` or ``file``, ``inputs``
  the hash of all that decided the bytes,
- ``images``: image reference -> ``{file, sha256, digest}``, where ``digest`` is that of the image's configuration.

Files are staged beside their final place and renamed; the manifest follows. Whoever is killed in between leaves files
that the manifest does not vouch for, which the next :meth:`Bundle.repair` removes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import typing as t
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

# uname's names of machines, and those of Go and of every release file.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class BundleError(Exception):
    """What is wrong with which file or tool, and what to do."""


class Tool(t.TypedDict):
    """A tool's record: its version, where it came from, the hash of its inputs, the relative paths of its files."""

    version: str
    source: str
    inputs: str
    files: list[str]


class Image(t.TypedDict):
    """An image's record: its archive's relative path and sha256, its configuration's digest (``sha256:<hex>``)."""

    file: str
    sha256: str
    digest: str


class Staging(t.NamedTuple):
    """An empty directory, and the lock's descriptor: a child that inherits it keeps others waiting until it ends."""

    path: Path
    lock: int


@dataclass
class Manifest:
    """What a bundle holds; see the module's description for the shapes."""

    files: dict[str, str] = field(default_factory=dict)
    tools: dict[str, Tool] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Where the tools came from: ``release`` if any did, else ``source``; empty for an empty bundle."""
        return min((tool["source"] for tool in self.tools.values() if tool["source"] != "file"), default="")

    def record_tool(self, name: str, files: Mapping[str, str], *, version: str, source: str, inputs: str) -> None:
        """Record a tool by its files (relative path -> sha256) in place of what it had."""
        self.forget_tools([name])
        self.files.update(files)
        self.tools[name] = Tool(version=version, source=source, inputs=inputs, files=sorted(files))

    def record_image(self, name: str, image: Image) -> None:
        """Record an image in place of what it had."""
        self.forget_images([name])
        self.files[image["file"]] = image["sha256"]
        self.images[name] = image

    def forget_tools(self, names: Iterable[str]) -> None:
        """Forget tools and their files."""
        for name in names:
            if tool := self.tools.pop(name, None):
                for file in tool["files"]:
                    self.files.pop(file, None)

    def forget_images(self, names: Iterable[str]) -> None:
        """Forget images and their archives."""
        for name in names:
            if image := self.images.pop(name, None):
                self.files.pop(image["file"], None)

    def forget_files(self, files: Collection[str]) -> None:
        """Forget files and with them the tools and images they belong to."""
        self.forget_tools([name for name, tool in self.tools.items() if not set(files).isdisjoint(tool["files"])])
        self.forget_images([name for name, image in self.images.items() if image["file"] in files])


class Bundle:
    """A bundle's directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self) -> Manifest:
        """Return the manifest; that of an empty bundle where there is none. BundleError for one that is damaged."""
        try:
            return Manifest(**json.loads((self.root / "manifest.json").read_text()))
        except FileNotFoundError:
            return Manifest()
        except (TypeError, ValueError) as error:
            raise BundleError(f"{self.root}/manifest.json is damaged ({error}): run `make bundle`.") from error

    def write(self, manifest: Manifest) -> None:
        """Replace the manifest in one step."""
        staged = self.root / ".manifest.json"
        staged.write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n")
        staged.replace(self.root / "manifest.json")

    @contextmanager
    def staging(self) -> Iterator[Staging]:
        """Yield an empty directory beside ``bin/``, ours alone, and remove it at the end."""
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / ".staging"
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
            try:
                yield Staging(path, lock.fileno())
            finally:
                shutil.rmtree(path, ignore_errors=True)

    def new_log(self, tool: str) -> Path:
        """Return the path of a tool's log, the former one removed; who follows a build reads it."""
        log = self.root / "log" / f"{tool}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_bytes(b"")
        return log

    def install_tool(
        self,
        name: str,
        programs: Iterable[Path],
        *,
        manifests: Iterable[Path] = (),
        version: str,
        source: str,
        inputs: str,
    ) -> None:
        """Move a tool's staged files into place, record them, and remove those that it no longer has.

        Programs go to ``bin/``, manifests to ``manifests/<tool>/``.
        """
        manifest = self.read()
        before = set(manifest.tools[name]["files"]) if name in manifest.tools else set()
        staged = {f"bin/{program.name}": program for program in programs}
        for program in staged.values():
            program.chmod(0o755)
        staged |= {f"manifests/{name}/{document.name}": document for document in manifests}
        hashes = _hashes(staged)
        for path, file in staged.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            file.replace(self.root / path)
        manifest.record_tool(name, hashes, version=version, source=source, inputs=inputs)
        self.write(manifest)
        for path in before - manifest.files.keys():
            (self.root / path).unlink(missing_ok=True)

    def has_tool(self, name: str, inputs: str) -> bool:
        """Say whether the tool was made from these inputs and all of its files are there."""
        tool = self.read().tools.get(name)
        return tool is not None and tool["inputs"] == inputs and all((self.root / f).is_file() for f in tool["files"])

    def faults(self, manifest: Manifest) -> dict[str, str]:
        """Return what is wrong: relative path -> ``is missing`` or ``has changed since it was made``."""
        actual = _hashes({path: self.root / path for path in manifest.files})
        return {
            path: "has changed since it was made" if actual[path] else "is missing"
            for path, expected in sorted(manifest.files.items())
            if actual[path] != expected
        }

    def strays(self, manifest: Manifest) -> list[str]:
        """Return the relative paths of files that the manifest does not know."""
        paths = (path for pattern in ("bin/*", "images/*", "manifests/*/*") for path in self.root.glob(pattern))
        found = (str(path.relative_to(self.root)) for path in paths)
        return sorted(set(found) - manifest.files.keys())

    def repair(self, *, tools: Collection[str], images: Collection[str]) -> list[str]:
        """Forget what is damaged or no longer wanted, remove every file without a record, and return their paths."""
        try:
            manifest = self.read()
        except BundleError:
            (self.root / "manifest.json").unlink()
            manifest = Manifest()
        known = set(manifest.files)
        manifest.forget_files(self.faults(manifest))
        manifest.forget_tools(manifest.tools.keys() - tools)
        manifest.forget_images(manifest.images.keys() - images)
        if known != manifest.files.keys():
            self.write(manifest)
        strays = self.strays(manifest)
        for path in strays:
            (self.root / path).unlink()
        return sorted({*strays, *known - manifest.files.keys()})


def sha256_of(path: Path) -> str:
    """Return a file's sha256 in hexadecimal, an empty string when there is no such file."""
    sha256 = hashlib.sha256()  # hashlib.file_digest is not there in the Python 3.10 of a node
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                sha256.update(block)
    except FileNotFoundError:
        return ""
    return sha256.hexdigest()


def _hashes(paths: Mapping[str, Path]) -> dict[str, str]:
    """Return the sha256 of each file, as fast as the processors allow."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(paths, pool.map(sha256_of, paths.values()), strict=True))


def architecture(machine: str) -> str:
    """Return Go's name of a machine: ``x86_64`` -> ``amd64``; BundleError for one without release files."""
    if machine not in ARCHITECTURES:
        raise BundleError(f"A {machine} machine is not supported: use one of {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[machine]
