# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Lists of image archives: written and signed on the build machine, verified on nodes, by cosign and without a network.

A list is JSON: ``images`` maps the name of an image to ``{file, sha256, digest}``, its archive's path relative to the
list and that archive's sha256, and the digest of the image's configuration. Its signature is a Sigstore bundle.

A node keeps the public key that the first list came with and takes no list by another one from then on.

Runs on nodes too: the standard library of Python 3.10 only.
"""

# pylint: disable=ansible-bad-function  # no AnsibleModule is known here, so there is no run_command
from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PRIVATE, PUBLIC = "images.key", "images.pub"

REMEDY = "Run site.yml (`make up`): the build machine writes and signs the list anew."


class SigningError(Exception):
    """What differs, and what to do."""


class Archive(t.TypedDict):
    """A row of a list."""

    file: str
    sha256: str
    digest: str


@dataclass(frozen=True)
class Signed:
    """A list, its signature and the public key of who signed it (PEM), as texts."""

    manifest: str
    signature: str
    public_key: str


class Verified(t.NamedTuple):
    """The images of a verified list by name, and whether the node did not trust its key before."""

    archives: dict[str, Archive]
    new_key: bool


@dataclass(frozen=True)
class Seal:
    """What a node verifies a list by: ``trusted`` is where it keeps the public key, ``cosign`` the program.

    ``replace`` has it trust the key of this list from now on, whatever it trusted before.
    """

    signed: Signed
    trusted: pathlib.Path
    cosign: str = "cosign"
    replace: bool = False


SEAL_SPEC: dict[str, t.Any] = {
    "signed": {
        "type": "dict",
        "options": {name: {"type": "str", "default": ""} for name in ("manifest", "signature", "public_key")},
    },
    "trusted_key": {"type": "path", "default": "/etc/slipway/images.pub"},
    "trust_new_key": {"type": "bool", "default": False},
    "cosign": {"type": "path", "default": "cosign"},
}


def seal_of(options: Mapping[str, t.Any], *, check_mode: bool) -> Seal | None:
    """Return what a module's options say of the list.

    None where there is none, or no cosign, which check mode alone puts up with: they are yet to come.
    """
    given = options["signed"]
    if given is None or (check_mode and not (given["manifest"] and shutil.which(options["cosign"]))):
        return None
    trusted, replace = pathlib.Path(options["trusted_key"]), options["trust_new_key"]
    return Seal(Signed(**given), trusted=trusted, cosign=options["cosign"], replace=replace)


def render(images: Mapping[str, Archive]) -> str:
    """Return a list as text: the same for the same images."""
    return json.dumps({"images": images}, indent=1, sort_keys=True) + "\n"


def archives_of(images: Mapping[str, t.Any]) -> dict[str, Archive]:
    """Return images by name as rows of a list. SigningError for one that lacks something."""
    try:
        return {
            name: Archive(file=row.get("file") or row["archive"], sha256=row["sha256"], digest=row["digest"])
            for name, row in images.items()
        }
    except (LookupError, TypeError, AttributeError) as error:
        raise SigningError(f"An image has no file, sha256 or digest ({error!r}).") from error


def parse(text: str) -> dict[str, Archive]:
    """Return the images of a list by name. SigningError for what is none."""
    try:
        return archives_of(json.loads(text)["images"])
    except (SigningError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise SigningError(f"The list of image archives cannot be read ({error!r}). {REMEDY}") from error


def fingerprint(public_key: str) -> str:
    """Return how cosign calls a public key (PEM): base64 of the sha256 of its DER; empty for what is no PEM."""
    lines = public_key.strip().splitlines()
    if len(lines) < 3 or "PUBLIC KEY" not in lines[0]:
        return ""
    try:
        der = base64.b64decode("".join(lines[1:-1]), validate=True)
    except binascii.Error:
        return ""
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def difference(signed: Signed) -> str:
    """Say what is wrong with a list that cosign refuses, by what its signature says of itself."""
    if not signed.signature.strip():
        return "The list of image archives has no signature."
    try:
        bundle = json.loads(signed.signature)
        signer = bundle["verificationMaterial"]["publicKey"]["hint"]
        digest = base64.b64decode(bundle["messageSignature"]["messageDigest"]["digest"]).hex()
    except (ValueError, LookupError, TypeError):
        return "The signature of the list of image archives was changed: it cannot be read."
    key = fingerprint(signed.public_key)
    if signer != key:
        return f"The list of image archives was signed by the key {signer}, not by {key}, the build machine's."
    actual = hashlib.sha256(signed.manifest.encode()).hexdigest()
    if digest != actual:
        return f"The list of image archives was changed: its sha256 is {actual}, and {digest} was signed."
    return "The signature of the list of image archives was changed."


class Cosign:
    """The program cosign, with keys that have no password, and nobody asked for anything."""

    def __init__(self, program: str) -> None:
        self._program = program

    def _run(self, *arguments: str, directory: pathlib.Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COSIGN_PASSWORD": "", "HOME": str(directory)}
        try:
            return subprocess.run(
                [self._program, *arguments],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise SigningError(
                f"{self._program} cannot be run ({error.strerror}): run site.yml (`make up`), which puts it there."
            ) from error

    def _succeed(self, *arguments: str, directory: pathlib.Path) -> None:
        done = self._run(*arguments, directory=directory)
        if done.returncode:
            raise SigningError(f"'cosign {arguments[0]}' failed: {_reason(done.stderr)}")

    def make_keys(self, directory: pathlib.Path) -> None:
        """Make ``images.key``, for its owner's eyes alone, and ``images.pub`` in an empty directory."""
        self._succeed("generate-key-pair", "--output-key-prefix=images", directory=directory)
        (directory / PRIVATE).chmod(0o600)

    def sign(self, manifest: str, key: pathlib.Path) -> str:
        """Return the signature of a list by a private key."""
        with _directory(manifest=manifest) as work:
            options = ("--yes", f"--key={key}", "--tlog-upload=false", "--use-signing-config=false")
            self._succeed("sign-blob", *options, "--bundle=signature", "manifest", directory=work)
            return (work / "signature").read_text()

    def verify(self, signed: Signed) -> dict[str, Archive]:
        """Return the images of a list. SigningError says what differs where its signature does not vouch for it."""
        if signed.signature.strip():
            with _directory(manifest=signed.manifest, signature=signed.signature, key=signed.public_key) as work:
                options = ("--key=key", "--bundle=signature", "--insecure-ignore-tlog=true")
                done = self._run("verify-blob", *options, "manifest", directory=work)
            if not done.returncode:
                return parse(signed.manifest)
        raise SigningError(f"{difference(signed)} {REMEDY}")


def _reason(stderr: str) -> str:
    """Return the last line of what a program complained about."""
    return (stderr.strip().splitlines() or ["no message"])[-1]


@contextmanager
def _directory(**files: str) -> Iterator[pathlib.Path]:
    """Yield a directory of our own with these files."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as name:
        for file, text in files.items():
            (pathlib.Path(name) / file).write_text(text)
        yield pathlib.Path(name)


def verify(seal: Seal, *, check_mode: bool = False) -> Verified:
    """Verify on a node. SigningError says what differs and what to do.

    The key of the first list is kept; in check mode it is only compared.
    """
    key = seal.signed.public_key
    if not seal.signed.manifest:
        raise SigningError(f"There is no list of image archives. {REMEDY}")
    kept = seal.trusted.read_text() if seal.trusted.is_file() else ""
    if kept and not seal.replace and fingerprint(kept) != fingerprint(key):
        raise SigningError(
            f"The list of image archives comes with the key {fingerprint(key) or '(none)'}, but this node trusts "
            f"{fingerprint(kept) or '(none)'} ({seal.trusted}). Run site.yml on the machine that has that key; or, "
            "where the key was made anew on purpose, once with `-e images_trust_new_key=true`."
        )
    archives = Cosign(seal.cosign).verify(seal.signed)
    if kept != key and not check_mode:
        _write(seal.trusted, key)
    return Verified(archives, kept != key)


def sign(
    images: Mapping[str, Archive], *, path: pathlib.Path, keys: pathlib.Path, cosign: str, check_mode: bool = False
) -> tuple[bool, Signed]:
    """Write and sign the list of these images where it is not there yet; return whether it was not, and the list.

    Rows of the former list stay while their archives are there, if its signature vouches for it. In check mode a list
    that is yet to be signed is empty.
    """
    program = Cosign(cosign)
    if check_mode:
        signed = former(path, keys, program)
        done = signed.manifest == wanted(images, signed, path)
        return not done, signed if done else Signed("", "", "")
    keys.parent.mkdir(parents=True, exist_ok=True)
    with (keys.parent / f".{keys.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = ensure_keys(keys, program)
        signed = former(path, keys, program)
        manifest = wanted(images, signed, path)
        if manifest == signed.manifest:
            return made, signed
        signature = program.sign(manifest, keys / PRIVATE)
        _write(path, manifest)
        _write(signature_path(path), signature)
        return True, Signed(manifest, signature, (keys / PUBLIC).read_text())


def former(path: pathlib.Path, keys: pathlib.Path, program: Cosign) -> Signed:
    """Return the list that is there; an empty one where its signature does not vouch for it."""
    files = (path, signature_path(path), keys / PUBLIC)
    signed = Signed(*(file.read_text() if file.is_file() else "" for file in files))
    try:
        program.verify(signed)
    except SigningError:
        return Signed("", "", "")
    return signed


def wanted(images: Mapping[str, Archive], signed: Signed, path: pathlib.Path) -> str:
    """Return the list of these images, and of those of the former list whose archives are there."""
    rows = parse(signed.manifest) if signed.manifest else {}
    return render({**{name: row for name, row in rows.items() if (path.parent / row["file"]).exists()}, **images})


def signature_path(path: pathlib.Path) -> pathlib.Path:
    """Return where the signature of a list is: ``images.json`` -> ``images.sigstore.json``."""
    return path.with_suffix(".sigstore.json")


def ensure_keys(keys: pathlib.Path, program: Cosign) -> bool:
    """Have a pair of keys, the private one for its owner's eyes alone; return whether it was not so."""
    private = keys / PRIVATE
    if private.is_file() and (keys / PUBLIC).is_file():
        exposed = bool(private.stat().st_mode & 0o077)
        private.chmod(0o600)
        return exposed
    staged = keys.with_name(f".{keys.name}")
    for directory in (staged, keys):
        shutil.rmtree(directory, ignore_errors=True)
    staged.mkdir(mode=0o700)
    program.make_keys(staged)
    staged.replace(keys)
    return True


def _write(path: pathlib.Path, text: str) -> None:
    """Put a text in place of what is there."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}")
    staged.write_text(text)
    staged.chmod(0o644)
    staged.replace(path)
