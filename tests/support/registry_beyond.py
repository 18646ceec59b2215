"""An image registry on a network of its own, which VMs can reach through their bridge's way out alone."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import platform
import subprocess
import tarfile
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.support.paths import BUNDLE_BIN
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NETWORK_NAMESPACE = "slipway-beyond"
HERE, THERE = "198.51.100.1", "198.51.100.2"  # of a network for documentation: nobody else's, RFC 5737
ADDRESS = f"{THERE}:5000"
IMAGE = f"{ADDRESS}/test:1"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CONFIG = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {directory}}}}}
http: {{addr: ":5000"}}
"""


@contextlib.contextmanager
def registry_beyond(directory: Path) -> Iterator[str]:
    """Run the registry in a network namespace that knows no route back; yield the reference of an image in it."""
    config = directory / "config.yml"
    config.write_text(CONFIG.format(directory=directory / "data"))
    with _network(), _serving(config):
        _push()
        yield IMAGE


@contextlib.contextmanager
def _network() -> Iterator[None]:
    inside = ("ip", "-n", NETWORK_NAMESPACE)
    _run("ip", "netns", "add", NETWORK_NAMESPACE)
    try:
        _run("ip", "link", "add", NETWORK_NAMESPACE, "type", "veth", "peer", "eth0", "netns", NETWORK_NAMESPACE)
        _run("ip", "address", "add", f"{HERE}/30", "dev", NETWORK_NAMESPACE)
        _run("ip", "link", "set", NETWORK_NAMESPACE, "up")
        _run(*inside, "address", "add", f"{THERE}/30", "dev", "eth0")
        _run(*inside, "link", "set", "eth0", "up")
        yield
    finally:
        _run("ip", "netns", "delete", NETWORK_NAMESPACE)


@contextlib.contextmanager
def _serving(config: Path) -> Iterator[None]:
    command = ["ip", "netns", "exec", NETWORK_NAMESPACE, "setpriv", "--pdeathsig", "KILL"]
    with (config.parent / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(BUNDLE_BIN / "registry"), "serve", str(config)],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        eventually(_answers, within=10, what="the registry answers")
        yield
    finally:
        process.kill()
        process.wait()


def _answers() -> bool:
    try:
        _request("GET", "/v2/")
    except OSError as error:
        raise AssertionError(str(error)) from error
    return True


def _push() -> None:
    """Push an image of one small file."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("hello"))
    diff = _digest(layer.getvalue())
    config = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [diff]},
    }
    media = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{media}.manifest.v1+json",
        "config": _upload(json.dumps(config).encode(), f"{media}.config.v1+json"),
        "layers": [_upload(layer.getvalue(), f"{media}.layer.v1.tar")],
    }
    _request("PUT", "/v2/test/manifests/1", json.dumps(manifest).encode(), content_type=f"{media}.manifest.v1+json")


def _upload(data: bytes, media_type: str) -> dict[str, Any]:
    place = _request("POST", "/v2/test/blobs/uploads/")
    separator = "&" if "?" in place else "?"
    _request("PUT", f"{place}{separator}digest={_digest(data)}", data)
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def _request(method: str, path: str, data: bytes = b"", content_type: str = "application/octet-stream") -> str:
    """Send a request; return where the answer points."""
    url = path if path.startswith("http") else f"http://{ADDRESS}{path}"
    request = urllib.request.Request(url, data or None, {"Content-Type": content_type}, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.headers.get("Location", ""))


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
