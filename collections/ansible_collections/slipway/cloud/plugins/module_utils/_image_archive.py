# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Reproducible container images as docker-archive files: the same inputs give the same bytes, without a daemon.

An archive holds the image's manifest and configuration first, so that its identity is read without its layers, then
the base (a root file system as tar, one layer), other layers that are there already, and one layer of files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import tarfile
import typing as t
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ._bundle import sha256_of

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CREATED = "1970-01-01T00:00:00Z"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ImageArchiveError(Exception):
    """Which input of which image is wrong."""


@dataclass(frozen=True)
class Source:
    """A file, a directory with all that is in it (``src``), text (``content``), or else an empty directory at ``dest``.

    ``mode`` is that of the file or the empty directory; what ``src`` as a directory holds is 0755 or 0644.
    """

    dest: str
    src: str | None = None
    content: str | None = None
    mode: int = 0o755


@dataclass(frozen=True)
class Config:
    """An image's configuration, as in the OCI image specification."""

    architecture: str
    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    user: str = ""
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    ports: Sequence[str] = ()

    def document(self, layers: Sequence[str]) -> bytes:
        """Return the configuration of an image with these layers (sha256 in hexadecimal)."""
        config = {
            "Entrypoint": [*self.entrypoint],
            "Cmd": [*self.cmd],
            "User": self.user,
            "Env": [_PATH, *(f"{name}={value}" for name, value in sorted(self.env.items()))],
            "WorkingDir": self.workdir,
            "Labels": self.labels,
            "ExposedPorts": {port: {} for port in self.ports},
        }
        document = {
            "architecture": self.architecture,
            "os": "linux",
            "created": _CREATED,
            "config": {key: value for key, value in config.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}" for layer in layers]},
            "history": [{"created": _CREATED}] * len(layers),
        }
        return json.dumps(document, sort_keys=True).encode()


def image_digest(*, config: Config, base: Path | None, sources: Sequence[Source]) -> str:
    """Return the digest of an image's configuration (``sha256:<hex>``), which names all of its content."""
    sink = _Digest()
    _write_layer(t.cast("t.IO[bytes]", sink), sources)
    return _sha256(config.document([*_base_layer(base), sink.sha256.hexdigest()]))


def archived_digest(path: Path, name: str) -> str | None:
    """Return the digest of the archive's configuration; None when it is not an archive of an image of this name."""
    try:
        with tarfile.open(path) as archive:
            first = archive.next()
            content = archive.extractfile(first) if first else None
            (image,) = json.loads(content.read()) if content else [{}]
    except (OSError, tarfile.TarError, ValueError):
        return None
    return f"sha256:{image['Config'].removesuffix('.json')}" if image.get("RepoTags") == [name] else None


def write_layer(path: Path, sources: Sequence[Source]) -> None:
    """Write a layer by itself in place of what is there, in one step."""
    staged = path.with_name(f".{path.name}.part")
    try:
        with staged.open("wb") as out:
            _write_layer(out, sources)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def write_archive(
    path: Path,
    *,
    name: str,
    config: Config,
    base: Path | None,
    sources: Sequence[Source],
    between: Sequence[Path] = (),
) -> str:
    """Write the archive in place of what is there, in one step, and return the image's digest.

    ``between`` are layers above the base and below that of the sources, as write_layer() writes them.
    """
    files, staged = (path.with_name(f".{path.name}.{part}") for part in ("layer", "part"))
    try:
        with files.open("wb") as out:
            _write_layer(out, sources)
        layers = {f"{sha256_of(layer)}.tar": layer for layer in (base, *between, files) if layer}
        document = config.document([layer.removesuffix(".tar") for layer in layers])
        digest = _sha256(document)
        file = digest.removeprefix("sha256:") + ".json"
        manifest = [{"Config": file, "RepoTags": [name], "Layers": [*layers]}]
        with tarfile.open(staged, "w") as archive:
            _add_bytes(archive, "manifest.json", json.dumps(manifest).encode())
            _add_bytes(archive, file, document)
            for layer, content in layers.items():
                _add_file(archive, layer, content, mode=0o644)
        staged.replace(path)
    finally:
        for leftover in (files, staged):
            leftover.unlink(missing_ok=True)
    return digest


class _Digest(io.RawIOBase):
    """A file that keeps nothing but the sha256 and the size of what is written."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self._size = 0

    def tell(self) -> int:
        return self._size

    def write(self, data: t.Any) -> int:
        self.sha256.update(data)
        self._size += len(data)
        return len(data)


def _sha256(document: bytes) -> str:
    return f"sha256:{hashlib.sha256(document).hexdigest()}"


def _base_layer(base: Path | None) -> list[str]:
    return [sha256_of(base)] if base else []


def _write_layer(out: t.IO[bytes], sources: Sequence[Source]) -> None:
    """Write a layer of the sources with their parent directories, in the order of their paths."""
    entries = {entry.dest: entry for source in sources for entry in _expand(source)}
    parents = {str(parent) for dest in entries for parent in PurePosixPath(dest).parents} - {"."}
    entries = {dest: Source(dest=dest) for dest in parents} | entries
    with tarfile.open(fileobj=out, mode="w") as layer:
        for dest, entry in sorted(entries.items()):
            _add_entry(layer, dest, entry)


def _expand(source: Source) -> Iterator[Source]:
    """Yield the source itself and what it holds, with destinations relative to the root."""
    dest = source.dest.strip("/")
    if not source.src:
        yield dataclasses.replace(source, dest=dest)
        return
    top = Path(source.src)
    if not top.exists():
        raise ImageArchiveError(f"{top}, wanted at /{dest} in the image, does not exist.")
    if top.is_file():
        yield Source(dest=dest, src=str(top.resolve()), mode=source.mode)
        return
    for path in sorted(top.rglob("*")):
        yield Source(dest=f"{dest}/{path.relative_to(top)}".strip("/"), src=str(path), mode=_plain_mode(path))


def _plain_mode(path: Path) -> int:
    """Return 0755 for what can be executed or entered, else 0644: a checkout's umask is no input."""
    return 0o755 if path.lstat().st_mode & 0o100 else 0o644


def _add_entry(layer: tarfile.TarFile, dest: str, entry: Source) -> None:
    if entry.content is not None:
        _add_bytes(layer, dest, entry.content.encode(), mode=entry.mode)
    elif entry.src is None or (Path(entry.src).is_dir() and not Path(entry.src).is_symlink()):
        layer.addfile(_info(dest, tarfile.DIRTYPE, mode=entry.mode))
    elif Path(entry.src).is_symlink():
        link = _info(dest, tarfile.SYMTYPE, mode=0o777)
        link.linkname = str(Path(entry.src).readlink())
        layer.addfile(link)
    else:
        _add_file(layer, dest, Path(entry.src), mode=entry.mode)


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes, *, mode: int = 0o644) -> None:
    info = _info(name, tarfile.REGTYPE, mode=mode)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def _add_file(archive: tarfile.TarFile, name: str, path: Path, *, mode: int) -> None:
    info = _info(name, tarfile.REGTYPE, mode=mode)
    with path.open("rb") as content:
        info.size = os.fstat(content.fileno()).st_size
        archive.addfile(info, content)


def _info(name: str, kind: bytes, *, mode: int) -> tarfile.TarInfo:
    """Return a header that says nothing of this machine: owner root, time 0."""
    info = tarfile.TarInfo(name)
    info.type, info.mode = kind, mode
    info.uname = info.gname = "root"
    return info
