# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Push an image archive to a registry over the HTTP API of the OCI distribution specification, version 1.1."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import http.client
import json
import re
import ssl
import tarfile
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus

if t.TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_TIMEOUT_SECONDS = 60

# What a registry's answer means for who pushes.
_REMEDIES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "the user name or the password is wrong or missing",
    HTTPStatus.FORBIDDEN: "this user may not push here",
    HTTPStatus.NOT_FOUND: "there is no such repository, or this is no registry: check the URL",
    HTTPStatus.METHOD_NOT_ALLOWED: "it is read-only, or a mirror",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "a proxy before it limits the size of requests",
    HTTPStatus.TOO_MANY_REQUESTS: "it limits requests: try again later",
}


class RegistryError(Exception):
    """What failed at which registry, why, and what to do."""


@dataclasses.dataclass(frozen=True)
class Blob:
    """A member of an archive and its description in a manifest."""

    member: tarfile.TarInfo
    media_type: str
    digest: str

    @property
    def descriptor(self) -> dict[str, t.Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.member.size}


class Archive:
    """A docker-archive of one image."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        (entry,) = json.loads(self._read("manifest.json"))
        self.name: str = entry["RepoTags"][0]
        self.config = self._blob(entry["Config"], _CONFIG)
        diff_ids = json.loads(self._read(entry["Config"]))["rootfs"]["diff_ids"]
        self.layers = [
            Blob(tar.getmember(name), _LAYER, digest) for name, digest in zip(entry["Layers"], diff_ids, strict=True)
        ]

    @property
    def manifest(self) -> bytes:
        """The image's manifest as OCI has it."""
        document = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self.config.descriptor,
            "layers": [layer.descriptor for layer in self.layers],
        }
        return json.dumps(document, sort_keys=True).encode()

    def open(self, blob: Blob) -> t.IO[bytes]:
        """Return the content of a blob."""
        return t.cast("t.IO[bytes]", self._tar.extractfile(blob.member))

    def _read(self, name: str) -> bytes:
        return t.cast("t.IO[bytes]", self._tar.extractfile(name)).read()

    def _blob(self, name: str, media_type: str) -> Blob:
        return Blob(self._tar.getmember(name), media_type, _digest(self._read(name)))


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclasses.dataclass(frozen=True)
class Location:
    """Where an image goes: ``https://host:5000`` and ``team/worker``."""

    base: str
    repository: str
    tag: str

    @property
    def host(self) -> str:
        return urllib.parse.urlsplit(self.base).netloc


def locate(registry: str, name: str) -> Location:
    """Return where an image goes: of its name the last part and the tag count, the registry's path is the prefix.

    :param registry: as ``https://host:5000/team``; RegistryError for anything else than such a URL.
    """
    url = urllib.parse.urlsplit(registry)
    if url.scheme not in ("http", "https") or not url.netloc or "@" in url.netloc or url.query:
        raise RegistryError(f"{registry!r} is no URL of a registry: write it as https://registry.example:5000/team.")
    repository, tag = name.rpartition("/")[2].split(":", 1)
    prefix = url.path.strip("/")
    return Location(f"{url.scheme}://{url.netloc}", f"{prefix}/{repository}".strip("/"), tag)


def parse_challenge(header: str) -> tuple[str, dict[str, str]]:
    """Read WWW-Authenticate: ``Bearer realm="x",scope="y"`` -> ``("bearer", {"realm": "x", "scope": "y"})``."""
    return header.partition(" ")[0].lower(), dict(_CHALLENGE.findall(header))


@dataclasses.dataclass(frozen=True)
class Access:
    """Who pushes, and the PEM file of the authority behind the registry. Empty: nobody; those trusted here."""

    username: str = ""
    password: str = ""
    ca_path: str = ""

    @property
    def basic(self) -> str:
        """The value of an Authorization header, or nothing."""
        credentials = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return f"Basic {credentials}" if self.username else ""


class _Answer(t.NamedTuple):
    status: int
    headers: Message
    body: bytes


class Registry:
    """One repository of one registry."""

    def __init__(self, location: Location, access: Access) -> None:
        self._location = location
        self._basic = access.basic
        self._authorization = ""
        try:
            context = ssl.create_default_context(cafile=access.ca_path or None)
        except OSError as error:
            raise RegistryError(
                f"{access.ca_path} cannot be used as the registry's certificate authority: {error}."
            ) from error
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))

    def push(self, archive: Archive) -> tuple[str, bool]:
        """Push what the registry lacks; return the digest of the image's manifest and whether anything was pushed."""
        manifest = archive.manifest
        digest = _digest(manifest)
        if self._has("manifests", self._location.tag, digest):
            return digest, False
        for blob in [*archive.layers, archive.config]:
            if not self._has("blobs", blob.digest, blob.digest):
                self._upload(archive, blob)
        answer = self._request(
            "PUT", self._url("manifests", self._location.tag), body=manifest, headers={"Content-Type": _MANIFEST}
        )
        self._check(answer, digest)
        return digest, True

    def lacks(self, archive: Archive) -> tuple[str, bool]:
        """Return the digest of the image's manifest and whether the registry lacks it."""
        digest = _digest(archive.manifest)
        return digest, not self._has("manifests", self._location.tag, digest)

    def rehearse(self) -> None:
        """Begin an upload and cancel it; RegistryError where that is refused."""
        url = self._begin_upload()
        self._request("DELETE", url, accepted=(HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED))

    def _has(self, kind: str, reference: str, digest: str) -> bool:
        answer = self._request(
            "HEAD", self._url(kind, reference), headers={"Accept": _MANIFEST}, accepted=(HTTPStatus.NOT_FOUND,)
        )
        return answer.status == HTTPStatus.OK and answer.headers.get("Docker-Content-Digest", digest) == digest

    def _upload(self, archive: Archive, blob: Blob) -> None:
        url = self._begin_upload()
        url += ("&" if urllib.parse.urlsplit(url).query else "?") + urllib.parse.urlencode({"digest": blob.digest})
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.member.size)}
        with archive.open(blob) as content:
            self._check(self._request("PUT", url, body=content, headers=headers), blob.digest)

    def _begin_upload(self) -> str:
        """Return the URL of a new upload."""
        started = self._request("POST", self._url("blobs", "uploads/"), body=b"")
        return urllib.parse.urljoin(self._location.base, str(started.headers["Location"]))

    def _check(self, answer: _Answer, digest: str) -> None:
        stored = answer.headers.get("Docker-Content-Digest", digest)
        if stored != digest:
            raise RegistryError(f"{self._location.host} stored {stored} where {digest} was sent: do not trust it.")

    def _url(self, kind: str, reference: str) -> str:
        return f"{self._location.base}/v2/{self._location.repository}/{kind}/{reference}"

    def _request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | t.IO[bytes] | None = None,
        headers: t.Mapping[str, str] | None = None,
        accepted: t.Container[int] = (),
    ) -> _Answer:
        answer = self._send(method, url, body=body, headers=headers, authorization=self._authorization_for(url))
        if answer.status == HTTPStatus.UNAUTHORIZED and self._authorize(answer.headers.get("WWW-Authenticate", "")):
            if not isinstance(body, (bytes, type(None))):
                body.seek(0)
            answer = self._send(method, url, body=body, headers=headers, authorization=self._authorization_for(url))
        if answer.status >= HTTPStatus.BAD_REQUEST and answer.status not in accepted:
            raise RegistryError(self._explain(method, answer))
        return answer

    def _authorization_for(self, url: str) -> str:
        """Return what proves who pushes, to the registry alone: it may keep uploads elsewhere."""
        return self._authorization if urllib.parse.urlsplit(url).netloc == self._location.host else ""

    def _send(
        self,
        method: str,
        url: str,
        *,
        body: bytes | t.IO[bytes] | None = None,
        headers: t.Mapping[str, str] | None = None,
        authorization: str,
    ) -> _Answer:
        request = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
        if authorization:  # never sent on to where a redirect leads
            request.add_unredirected_header("Authorization", authorization)
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                return _Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            return _Answer(error.code, error.headers, error.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise RegistryError(self._unreachable(getattr(error, "reason", error))) from error

    def _authorize(self, challenge: str) -> bool:
        """Answer a challenge; return whether it is worth to ask again."""
        scheme, parameters = parse_challenge(challenge)
        before = self._authorization
        if scheme == "basic":
            self._authorization = self._basic
        elif scheme == "bearer":
            self._authorization = f"Bearer {self._token(parameters)}"
        return self._authorization not in ("", before)

    def _token(self, parameters: t.Mapping[str, str]) -> str:
        scope = f"repository:{self._location.repository}:pull,push"
        query = urllib.parse.urlencode({"service": parameters.get("service", ""), "scope": scope})
        answer = self._send("GET", f"{parameters.get('realm', '')}?{query}", authorization=self._basic)
        if answer.status != HTTPStatus.OK:
            raise RegistryError(self._explain("GET", answer))
        token = json.loads(answer.body)
        return str(token.get("token") or token["access_token"])

    def _explain(self, method: str, answer: _Answer) -> str:
        try:
            detail = "; ".join(f"{error['code']}: {error['message']}" for error in json.loads(answer.body)["errors"])
        except (ValueError, KeyError, TypeError):
            detail = answer.body.decode(errors="replace")[:200].strip()
        remedy = _REMEDIES.get(answer.status, "look at its log, or try again later")
        said = f" ({detail})" if detail else ""
        where = f"{self._location.host}/{self._location.repository}"
        return f"The registry refused {method} on {where} with {answer.status}{said}: {remedy}. Nothing was pushed."

    def _unreachable(self, reason: object) -> str:
        host = self._location.host
        if isinstance(reason, ssl.SSLCertVerificationError):
            return f"The certificate of {host} is not trusted ({reason.verify_message}): name its authority's file."
        return f"{host} cannot be reached ({reason}): check the registry's URL and that it is running."


def push_image(archive: Path, registry: str, access: Access, *, dry_run: bool = False) -> tuple[str, bool]:
    """Push an archive; return the image's name by digest (``host/team/worker@sha256:<hex>``) and whether that was new.

    RegistryError says what went wrong.
    """
    with contextlib.ExitStack() as stack:
        try:
            image = Archive(stack.enter_context(tarfile.open(archive)))
        except (OSError, KeyError, ValueError, tarfile.TarError) as error:
            raise RegistryError(
                f"{archive} cannot be read as an archive of one image ({error}): build it again."
            ) from error
        location = locate(registry, image.name)
        repository = Registry(location, access)
        digest, changed = repository.lacks(image) if dry_run else repository.push(image)
    return f"{location.host}/{location.repository}@{digest}", changed


def rehearse_push(name: str, registry: str, access: Access) -> None:
    """See whether an image of this name could be pushed. RegistryError says why not."""
    Registry(locate(registry, name), access).rehearse()
