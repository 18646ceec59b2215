# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Which image archives a node's containerd lacks, and how they get there.

Runs on nodes: the standard library of Python 3.10 only. containerd's CRI plugin learns of images, and of changed
labels, by events (containerd v2.3.4, internal/cri/server/images/image_pull.go, UpdateImage); the kubelet's garbage
collection leaves those alone that carry the label of :data:`PIN` (internal/cri/labels/labels.go).
"""

# pylint: disable=ansible-bad-function  # no AnsibleModule is known here, so there is no run_command
from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import subprocess
import tarfile
import typing as t
from concurrent.futures import ThreadPoolExecutor

from . import _signing

if t.TYPE_CHECKING:
    from ._signing import Archive, Seal

PIN = ("io.cri-containerd.pinned", "pinned")

_T = t.TypeVar("_T")

# Imports of one node are bound by its disk: more at once gain nothing.
_PARALLEL_IMPORTS = 3


class NodeImagesError(Exception):
    """What failed, on which image, and what to do."""


@dataclasses.dataclass(frozen=True)
class Image:
    """An image that a node shall have.

    ``archive`` is a docker-archive on the node, ``sha256`` that file's checksum; ``digest`` is the digest of the
    image's configuration (what the kubelet calls its ID), as ``sha256:<hex>``. Empty means not known.
    """

    name: str
    archive: str = ""
    sha256: str = ""
    digest: str = ""


@dataclasses.dataclass(frozen=True)
class Stored:
    """An image in containerd's store; ``ready`` says that its content is complete and unpacked."""

    target: str
    labels: t.Mapping[str, str]
    ready: bool = True
    digest: str = ""

    @property
    def pinned(self) -> bool:
        return self.labels.get(PIN[0]) == PIN[1]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What has to be done: archives to import, names to pin, names to unpin, and whether to trust a new key."""

    missing: list[Image]
    pin: list[str]
    unpin: list[str]
    new_key: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.missing or self.pin or self.unpin or self.new_key)


def repository(name: str) -> str:
    """Return an image's name without tag or digest: ``host:5000/a/b:v1`` -> ``host:5000/a/b``."""
    path, slash, last = name.partition("@")[0].rpartition("/")
    return path + slash + last.partition(":")[0]


def parse_images(listing: str, ready: t.Iterable[str]) -> dict[str, Stored]:
    """Read ``ctr images ls`` and the lines of ``ctr images check -q`` as name -> image."""
    complete = set(ready)
    rows = (line.split() for line in listing.splitlines()[1:])
    return {
        row[0]: Stored(target=row[2], labels=_parse_labels(row[-1]), ready=row[0] in complete)
        for row in rows
        if len(row) > 3
    }


def _parse_labels(column: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in column.split(",") if "=" in pair)


def parse_archive(manifest: str) -> tuple[list[str], str]:
    """Return the names and the configuration's digest that the ``manifest.json`` of a docker-archive tells."""
    (entry,) = json.loads(manifest)
    stem = pathlib.PurePosixPath(entry["Config"]).name.removesuffix(".json")
    return list(entry["RepoTags"] or []), f"sha256:{stem}"


def make_plan(
    wanted: t.Iterable[Image], stored: t.Mapping[str, Stored], *, pinned: bool = True, supersede: bool = False
) -> Plan:
    """Compare by name and configuration's digest; an unknown digest is not compared.

    ``supersede`` unpins the other tags of the wanted images' repositories, so that the kubelet's garbage collection
    may take them once no pod uses them.
    """
    images = list(wanted)
    missing = [image for image in images if not _has(stored.get(image.name), image)]
    present = [image.name for image in images if image not in missing]
    names, repositories = {image.name for image in images}, {repository(image.name) for image in images}
    outdated = [
        name
        for name, image in stored.items()
        if supersede and image.pinned and name not in names and repository(name) in repositories
    ]
    differing = [name for name in present if stored[name].pinned != pinned]
    return Plan(missing=missing, pin=differing if pinned else [], unpin=outdated + ([] if pinned else differing))


def _has(stored: Stored | None, image: Image) -> bool:
    return stored is not None and stored.ready and (not image.digest or stored.digest == image.digest)


def read_archive(image: Image) -> Image:
    """Return the image with its digest read from its archive; NodeImagesError if the archive is not that image's."""
    try:
        with tarfile.open(image.archive) as archive:
            member = t.cast("t.IO[bytes]", archive.extractfile("manifest.json"))
            names, digest = parse_archive(member.read().decode())
    except (OSError, KeyError, ValueError, TypeError, tarfile.TarError) as error:
        raise NodeImagesError(
            f"{image.archive}: cannot be read as an archive of one image ({error}). Build it again."
        ) from error
    if image.name not in names or image.digest not in ("", digest):
        raise NodeImagesError(
            f"{image.archive} holds {', '.join(names)} with ID {digest}, not {image.name}"
            f"{' with ID ' + image.digest if image.digest else ''}. Build it again or correct the name."
        )
    return dataclasses.replace(image, digest=digest)


def as_listed(images: t.Iterable[Image], archives: t.Mapping[str, Archive]) -> list[Image]:
    """Return the images as a verified list has them; NodeImagesError for one that is not in it, or is another there."""
    listed = []
    for image in images:
        row = archives.get(image.name)
        if row is None:
            raise NodeImagesError(f"{image.name} is not in the signed list of image archives. {_signing.REMEDY}")
        for what, asked, there in (("sha256", image.sha256, row["sha256"]), ("ID", image.digest, row["digest"])):
            if asked not in ("", there):
                raise NodeImagesError(
                    f"{image.name} has the {what} {there} in the signed list of image archives, not {asked} as asked "
                    f"for. {_signing.REMEDY}"
                )
        listed.append(dataclasses.replace(image, sha256=row["sha256"], digest=row["digest"]))
    return listed


def verify_images(images: t.Iterable[Image], seal: Seal, *, check_mode: bool) -> bool:
    """Verify archives by a signed list, and return whether its key is new. Raises NodeImagesError, SigningError."""
    archives, new_key = _signing.verify(seal, check_mode=check_mode)
    verify_archives(as_listed(images, archives))
    return new_key


def verify_archives(images: t.Iterable[Image]) -> None:
    """Raise NodeImagesError unless every archive has the checksum that was given."""
    faults = [fault for fault in _concurrently(_fault, list(images)) if fault]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise NodeImagesError(
            f"{faults[0]}{more}. Remove the file and run site.yml (`make up`): it is made or copied again."
        )


def _fault(image: Image) -> str:
    digest = hashlib.sha256()
    with pathlib.Path(image.archive).open("rb") as archive:
        while chunk := archive.read(1 << 20):
            digest.update(chunk)
    if image.sha256 in ("", digest.hexdigest()):
        return ""
    return f"{image.archive} was changed: its sha256 is {digest.hexdigest()}, not {image.sha256}"


class Ctr:
    """The images in one namespace of one containerd, through its command line client."""

    def __init__(self, *, program: str, address: str, namespace: str) -> None:
        self._command = [program, "--address", address, "--namespace", namespace]
        self._socket = pathlib.Path(address)

    def _run(self, *arguments: str, may_fail: bool = False) -> str:
        try:
            done = subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)
        except OSError as error:
            raise NodeImagesError(f"{self._command[0]} cannot be run: {error}. Install containerd first.") from error
        if done.returncode and not may_fail:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise NodeImagesError(
                f"'{' '.join([*self._command, *arguments])}' failed: {reason}. Is containerd running on this node?"
            )
        return done.stdout

    @property
    def running(self) -> bool:
        """Whether containerd has a socket to be asked at."""
        return self._socket.exists()

    def images(self, names: t.Iterable[str]) -> dict[str, Stored]:
        """Return all images; those of ``names`` with their configuration's digest."""
        ready = self._run("images", "check", "-q", may_fail=True)  # it fails for a single image that is damaged
        stored = parse_images(self._run("images", "ls"), ready.splitlines())
        for name in stored.keys() & set(names):
            if stored[name].ready:
                manifest = json.loads(self._run("content", "get", stored[name].target))
                stored[name] = dataclasses.replace(stored[name], digest=manifest.get("config", {}).get("digest", ""))
        return stored

    def load(self, image: Image, *, pinned: bool) -> None:
        """Import the archive of an image."""
        labels = ["--label", "=".join(PIN)] if pinned else []
        self._run("images", "import", *labels, image.archive)

    def pin(self, name: str, *, pinned: bool) -> None:
        """Set or clear the label that keeps the kubelet's garbage collection away."""
        self._run("images", "label", name, f"{PIN[0]}={PIN[1] if pinned else ''}")


def ensure_images(
    ctr: Ctr,
    wanted: t.Iterable[Image],
    *,
    pinned: bool,
    supersede: bool,
    check_mode: bool,
    seal: Seal | None = None,
) -> Plan:
    """Give a node the images it lacks and return what that took, or would take; raises NodeImagesError.

    With a seal nothing is imported that its list, once verified, does not have. In check mode containerd may be yet to
    come.
    """
    try:
        images, new_key = _verified(wanted, seal, check_mode=check_mode)
        stored = ctr.images(image.name for image in images) if ctr.running or not check_mode else {}
        plan = make_plan(images, stored, pinned=pinned, supersede=supersede)
        if not check_mode:
            _refuse(plan.missing)
    except (NodeImagesError, _signing.SigningError) as error:
        raise NodeImagesError(f"No image was imported. {error}") from error
    if not check_mode:
        _carry_out(ctr, plan, pinned=pinned)
    return dataclasses.replace(plan, new_key=new_key)


def _verified(wanted: t.Iterable[Image], seal: Seal | None, *, check_mode: bool) -> tuple[list[Image], bool]:
    """Return the images by their verified list, or else by their archives, and whether its key is new."""
    if not seal:
        return [read_archive(image) if has_archive(image) else image for image in wanted], False
    archives, new_key = _signing.verify(seal, check_mode=check_mode)
    return as_listed(wanted, archives), new_key


def has_archive(image: Image) -> bool:
    """Say whether the image's archive is on this node."""
    return bool(image.archive) and pathlib.Path(image.archive).is_file()


def _refuse(missing: list[Image]) -> None:
    """Raise NodeImagesError where an archive is not there or was changed: before the first import."""
    if lost := [image.name for image in missing if not has_archive(image)]:
        raise NodeImagesError(f"This node lacks {', '.join(lost)} and has no archive of it. Copy the archive first.")
    verify_archives(missing)


def _carry_out(ctr: Ctr, plan: Plan, *, pinned: bool) -> None:
    _concurrently(lambda image: ctr.load(image, pinned=pinned), plan.missing)
    for name in plan.pin:
        ctr.pin(name, pinned=True)
    for name in plan.unpin:
        ctr.pin(name, pinned=False)


def _concurrently(work: t.Callable[[Image], _T], images: list[Image]) -> list[_T]:
    with ThreadPoolExecutor(max_workers=_PARALLEL_IMPORTS) as pool:
        return list(pool.map(work, images))
