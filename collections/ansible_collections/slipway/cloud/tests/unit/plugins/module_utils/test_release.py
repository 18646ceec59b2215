# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of release files, against a server on loopback."""

from __future__ import annotations

import functools
import hashlib
import io
import socket
import tarfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._release import (
    ReleaseError,
    ReleaseFile,
    answers,
    fetch_programs,
    release_inputs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = b"program" * 1000


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What the server serves."""
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def url(root: Path) -> Iterator[str]:
    """The base URL of a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Where programs are staged."""
    work = tmp_path / "work"
    work.mkdir()
    return work


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tarball(members: dict[str, bytes]) -> bytes:
    """Return a compressed tar of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def release(url: str, name: str, *, pinned: str = "", programs: dict[str, str] | None = None) -> ReleaseFile:
    """Return a release file v1/<arch>/<name>, its hash pinned for arm64."""
    full = f"{url}/v{{version}}/{{arch}}/{name}"
    hashes = {"1.0": {"arm64": pinned}} if pinned else {}
    return ReleaseFile(url=full, checksum_url=f"{full}.sha256", programs=programs or {name: ""}, sha256=hashes)


def serve(root: Path, name: str, content: bytes) -> None:
    """Put a file of version 1.0 for arm64 on the server."""
    path = root / "v1.0/arm64" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_bare_program_of_the_pinned_hash(root: Path, url: str, work: Path) -> None:
    serve(root, "tool", PROGRAM)
    (path,) = fetch_programs(release(url, "tool", pinned=sha256(PROGRAM)), version="1.0", arch="arm64", work=work)
    assert path.read_bytes() == PROGRAM
    assert list(work.iterdir()) == [path]


@pytest.mark.parametrize("prefix", ["", "./"])
def test_members_of_a_tar(root: Path, url: str, work: Path, prefix: str) -> None:
    content = tarball({f"{prefix}bin/a": b"a", f"{prefix}bin/b": b"b", f"{prefix}README": b""})
    serve(root, "x.tgz", content)
    file = release(url, "x.tgz", pinned=sha256(content), programs={"a": "bin/a", "renamed": "bin/b"})
    fetch_programs(file, version="1.0", arch="arm64", work=work)
    assert {path.name: path.read_bytes() for path in work.iterdir()} == {"a": b"a", "renamed": b"b"}


def test_one_flipped_byte_is_refused(root: Path, url: str, work: Path) -> None:
    flipped = PROGRAM[:42] + bytes([PROGRAM[42] ^ 1]) + PROGRAM[43:]
    serve(root, "tool", flipped)
    with pytest.raises(ReleaseError, match=rf"has the sha256 {sha256(flipped)} instead of {sha256(PROGRAM)}"):
        fetch_programs(release(url, "tool", pinned=sha256(PROGRAM)), version="1.0", arch="arm64", work=work)
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("line", ["{}", "{}  tool\n", "{} *tool\n", f"{'0' * 64}  other-tool\n\n{{}}  tool\n"])
def test_published_hash_where_none_is_pinned(root: Path, url: str, work: Path, line: str) -> None:
    serve(root, "tool", PROGRAM)
    serve(root, "tool.sha256", line.format(sha256(PROGRAM)).encode())
    (path,) = fetch_programs(release(url, "tool"), version="1.0", arch="arm64", work=work)
    assert path.read_bytes() == PROGRAM


def test_pinned_hash_wins_over_the_published_one(root: Path, url: str, work: Path) -> None:
    serve(root, "tool", b"forged")
    serve(root, "tool.sha256", sha256(b"forged").encode())
    with pytest.raises(ReleaseError, match="has the sha256"):
        fetch_programs(release(url, "tool", pinned=sha256(PROGRAM)), version="1.0", arch="arm64", work=work)


@pytest.mark.parametrize(
    ("served", "message"),
    [
        ({}, r"/v1.0/arm64/tool.sha256 cannot be downloaded \(HTTP Error 404"),
        ({"tool.sha256": b"<html>"}, r"tool.sha256 holds no sha256: check the version in bundle_versions"),
        ({"tool.sha256": sha256(b"").encode()}, r"/v1.0/arm64/tool cannot be downloaded \(HTTP Error 404"),
    ],
)
def test_what_is_not_there(root: Path, url: str, work: Path, served: dict[str, bytes], message: str) -> None:
    for name, content in served.items():
        serve(root, name, content)
    with pytest.raises(ReleaseError, match=message):
        fetch_programs(release(url, "tool"), version="1.0", arch="arm64", work=work)
    assert list(work.iterdir()) == []


def test_missing_member(root: Path, url: str, work: Path) -> None:
    content = tarball({"b": b"b"})
    serve(root, "x.tgz", content)
    file = release(url, "x.tgz", pinned=sha256(content), programs={"a": "bin/a"})
    with pytest.raises(ReleaseError, match=r"x.tgz holds no bin/a"):
        fetch_programs(file, version="1.0", arch="arm64", work=work)


def test_inputs_do_not_depend_on_the_mirror() -> None:
    def inputs(url: str, version: str = "1.0", arch: str = "arm64", pinned: str = "0") -> str:
        return release_inputs([release(url, "tool", pinned=pinned)], version=version, arch=arch)

    assert inputs("https://a") == inputs("https://b")
    different = {inputs("https://a"), inputs("x", version="2"), inputs("x", arch="amd64"), inputs("x", pinned="1")}
    assert len(different) == 4


def test_answers(root: Path, url: str) -> None:
    serve(root, "tool", PROGRAM)
    assert answers(f"{url}/v1.0/arm64/tool", seconds=3)
    assert not answers(f"{url}/gone", seconds=3)


def test_silent_server_does_not_answer_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert not answers(f"http://127.0.0.1:{silent.getsockname()[1]}/x", seconds=0.2)
        assert time.monotonic() - began < 1
