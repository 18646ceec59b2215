"""An image registry on a network of its own, which VMs can reach through their bridge's way out alone."""

from __future__ import annotations

import contextlib
import platform
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.slipway.cloud.plugins.module_utils._image_archive import Config, Source, write_archive
from ansible_collections.slipway.cloud.plugins.module_utils._image_push import Access, push_image
from tests.support.paths import BUNDLE_BIN
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

NETWORK_NAMESPACES, NETWORK_NAMESPACE = "/run/netns", "slipway-beyond"
HERE, THERE = "198.51.100.1", "198.51.100.2"  # of a network for documentation, nobody's: RFC 5737
URL = f"http://{THERE}:5000"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CONFIG = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {home}/data}}}}
http: {{addr: ":5000"}}
"""


@contextlib.contextmanager
def registry_beyond(home: Path) -> Iterator[str]:
    """Run the registry in a network namespace that knows no route back; yield the reference of an image in it."""
    config = home / "config.yml"
    config.write_text(CONFIG.format(home=home))
    with _network(), _serving(config):
        reference, _ = push_image(_image(home / "test.tar"), URL, Access())
        yield reference


def _image(path: Path) -> Path:
    """Write an image of one small file."""
    config = Config(architecture=ARCHITECTURES[platform.machine()], entrypoint=["/hello"])
    sources = [Source(dest="/hello", content="hello")]
    write_archive(path, name="slipway.local/test:1", config=config, base=None, sources=sources)
    return path


@contextlib.contextmanager
def _network() -> Iterator[None]:
    inside = ("ip", "-n", NETWORK_NAMESPACE)
    had_some = _is_mounted(NETWORK_NAMESPACES)
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
        if not had_some:
            _run("umount", NETWORK_NAMESPACES)


def _is_mounted(path: str) -> bool:
    return f" {path} " in Path("/proc/self/mounts").read_text()


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
        with urllib.request.urlopen(f"{URL}/v2/", timeout=5):
            return True
    except OSError as error:
        raise AssertionError(str(error)) from error


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
