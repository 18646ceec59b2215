"""The bundle is really built by Go, and really downloaded from a server with the layout of the official releases."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._bundle import Bundle, architecture
from ansible_collections.slipway.cloud.plugins.module_utils._go_tool import Builder, GoToolError
from ansible_collections.slipway.cloud.plugins.module_utils._space import SpaceError
from ansible_collections.slipway.cloud.plugins.modules.go_tool import ensure_built
from tests.support.ansible import Run, run
from tests.support.paths import CACHE, CHECKOUT, VENV_BIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HELLO = 'package main\n\nfunc main() { println("hello") }\n'
GO_MOD = "module example.test/tools\n\ngo 1.26\n\ntool example.test/hello\n\nrequire example.test/hello v0.0.0\n"
BUILD = "import json, sys; from ansible_collections.slipway.cloud.plugins.modules.go_tool import ensure_built as b; "

ARCH = architecture(platform.machine())
KUBERNETES = ("kubelet", "kubeadm", "kubectl")
CONTAINERD = ("containerd", "containerd-shim-runc-v2", "ctr")
CNI_PLUGINS = ("bridge", "firewall", "host-local", "loopback", "portmap")
# Where the repositories of the add-ons have the manifests that the bundle has from their modules.
MANIFESTS = {
    "rancher/local-path-provisioner/raw/v0.0.30/deploy": "local-path-provisioner",
    "metallb/metallb/raw/v0.15.2/config/manifests": "metallb",
    "kubernetes-sigs/metrics-server/raw/v0.9.0/manifests/base": "metrics-server",
}


@pytest.fixture
def tool(tmp_path: Path) -> dict[str, Any]:
    """Options of a tool of one program, whose module is in a directory: no network is needed."""
    source, pins = tmp_path / "hello", tmp_path / "pins"
    source.mkdir()
    pins.mkdir()
    (source / "go.mod").write_text("module example.test/hello\n\ngo 1.26\n")
    (source / "main.go").write_text(HELLO)
    (pins / "go.mod").write_text(f"{GO_MOD}\nreplace example.test/hello => {source}\n")
    (pins / "go.sum").write_text("")
    return {
        "name": "hello",
        "version": "1.0",
        "module_dir": str(pins),
        "bundle": str(tmp_path / "bundle"),
        "cache": str(CACHE / "go"),
        "go": str(VENV_BIN / "go"),
        "packages": ["tool"],
        "ldflags": [],
        "rename": {"hello": "greet"},
        "main": None,
        "c_programs": [],
        "manifests": {},
        "manifests_module": None,
        "space_mib": 1,
    }


def change_pins(tool: dict[str, Any]) -> None:
    """Change the module file in a way that Go does not mind."""
    with open(f"{tool['module_dir']}/go.mod", "a") as pins:
        pins.write("// changed\n")


def test_builds_only_what_changed(tool: dict[str, Any]) -> None:
    built = ensure_built(tool, check_mode=False)
    assert (built["changed"], built["files"]) == (True, ["bin/greet"])
    assert subprocess.run([f"{tool['bundle']}/bin/greet"], check=True, capture_output=True).stderr == b"hello\n"
    assert not ensure_built(tool, check_mode=False)["changed"]
    change_pins(tool)
    assert ensure_built(tool, check_mode=True)["changed"]
    assert ensure_built(tool, check_mode=False)["changed"]
    assert not ensure_built(tool, check_mode=False)["changed"]


def test_failed_build_leaves_the_former_program(tool: dict[str, Any], tmp_path: Path) -> None:
    ensure_built(tool, check_mode=False)
    (tmp_path / "hello/main.go").write_text(HELLO.replace("println", "printline"))
    change_pins(tool)
    with pytest.raises(GoToolError, match=r"(?s)ended with status 1; all of it is in .*undefined: printline"):
        ensure_built(tool, check_mode=False)
    bundle = Bundle(tmp_path / "bundle")
    assert bundle.faults(bundle.read()) == {}
    assert (bundle.root / "bin/greet").exists()


def test_no_space_is_said_before_the_build(tool: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="The build needs 1000000000 MiB"):
        ensure_built({**tool, "space_mib": 10**9}, check_mode=False)
    assert not (tmp_path / "bundle/bin").exists()


def test_killed_at_any_moment(tool: dict[str, Any], tmp_path: Path) -> None:
    began = time.monotonic()
    ensure_built(tool, check_mode=False)
    duration = time.monotonic() - began
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    moments = random.Random(seed)
    bundle = Bundle(tmp_path / "bundle")
    for _ in range(5):
        change_pins(tool)
        command = [sys.executable, "-c", f"{BUILD} b(json.loads(sys.argv[1]), check_mode=False)", json.dumps(tool)]
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(CHECKOUT / "collections")})
        time.sleep(moments.uniform(0, duration + 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        bundle.repair(tools=["hello"], images=[])
        ensure_built(tool, check_mode=False)
        assert bundle.faults(bundle.read()) == {}
        assert bundle.strays(bundle.read()) == []
        assert not (bundle.root / ".staging").exists()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """What the servers of releases serve: real layouts, programs that are their own names."""
    return tmp_path / "releases"


@pytest.fixture
def url(releases: Path) -> Iterator[str]:
    """The base URL of a server of releases."""
    releases.mkdir()
    handler = functools.partial(QuietHandler, directory=str(releases))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def publish(releases: Path, *, kubernetes: str, containerd: str, cni_plugins: str, cosign: str) -> None:
    """Put these versions on the server, with the hashes that the projects publish beside them."""
    bare = f"k8s/v{kubernetes}/bin/linux/{ARCH}"
    tar = f"containerd/containerd/releases/download/v{containerd}/containerd-{containerd}-linux-{ARCH}.tar.gz"
    tgz = f"containernetworking/plugins/releases/download/v{cni_plugins}/cni-plugins-linux-{ARCH}-v{cni_plugins}.tgz"
    for name in KUBERNETES:
        put(releases / bare / name, name.encode(), ".sha256")
    put(releases / "github" / tar, tarball([f"bin/{name}" for name in CONTAINERD]), ".sha256sum")
    put(releases / "github" / tgz, tarball([f"./{name}" for name in CNI_PLUGINS]), ".sha256")
    signer = releases / f"github/sigstore/cosign/releases/download/v{cosign}/cosign-linux-{ARCH}"
    put(signer, b"cosign", ".sha256")
    sums = signer.with_name(f"{signer.name}.sha256").rename(signer.with_name("cosign_checksums.txt"))
    sums.write_text(f"{'0' * 64}  cosign-darwin-amd64\n{sums.read_text()}")


def publish_manifests(releases: Path) -> None:
    """Put the manifests of the add-ons on the server: the real ones, so that their pinned hashes hold."""
    for place, tool in MANIFESTS.items():
        shutil.copytree(CACHE / "bundle/manifests" / tool, releases / "github" / place)


def publish_minikube(releases: Path, version: str) -> None:
    """Put this version of minikube and of crictl on the server, as their projects do."""
    tgz = f"kubernetes-sigs/cri-tools/releases/download/v{version}/crictl-v{version}-linux-{ARCH}.tar.gz"
    put(releases / "github" / tgz, tarball(["crictl"]), ".sha256")
    bare = f"kubernetes/minikube/releases/download/v{version}/minikube-linux-{ARCH}"
    put(releases / "github" / bare, b"minikube", ".sha256")


def put(path: Path, content: bytes, suffix: str) -> None:
    """Write a file, and its hash beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_name(path.name + suffix).write_text(f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")


def tarball(names: list[str]) -> bytes:
    """Return a compressed tar of files that hold their own names."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in names:
            content = name.rpartition("/")[2].encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def make_bundle(tmp_path: Path, url: str, **variables: Any) -> Run:
    """Run the playbook against the server, with a bundle of the test's own."""
    inventory = {"builder": {"hosts": {"localhost": {"ansible_connection": "local"}}}}
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    extra = {
        "ansible_python_interpreter": sys.executable,
        "bundle_dir": str(tmp_path / "bundle"),
        "bundle_kubectl_link": str(tmp_path / "kubectl"),
        "bundle_kubernetes_url": f"{url}/k8s",
        "bundle_github_url": f"{url}/github",
        **variables,
    }
    playbook = [str(VENV_BIN / "ansible-playbook"), "-i", str(tmp_path / "hosts.json"), "playbooks/bundle.yml"]
    return run([*playbook, "-e", json.dumps(extra)], timeout=120)


def test_role_downloads_releases(tmp_path: Path, releases: Path, url: str) -> None:
    """What is served under a pinned version is not what was pinned, so another version shows that all is well."""
    publish(releases, kubernetes="1.36.3", containerd="2.3.4", cni_plugins="1.9.1", cosign="3.1.3")
    publish(releases, kubernetes="9.9.9", containerd="9.9.9", cni_plugins="9.9.9", cosign="9.9.9")
    publish_manifests(releases)
    others = {"kubernetes": "9.9.9", "containerd": "9.9.9", "cni-plugins": "9.9.9", "cosign": "9.9.9"}

    first = make_bundle(tmp_path, url, bundle_versions=others)
    assert first.code == 0, first.output
    assert f"Tools are official releases: {url} answers." in first.output
    bundle = Bundle(tmp_path / "bundle")
    programs = {path.name: path.read_text() for path in (bundle.root / "bin").iterdir()}
    assert programs == {name: name for name in (*KUBERNETES, *CONTAINERD, *CNI_PLUGINS, "cosign")}
    assert bundle.read().images == {}
    assert {path.name for path in (bundle.root / "manifests").iterdir()} == set(MANIFESTS.values())
    assert (tmp_path / "kubectl").read_text() == "kubectl"

    second = make_bundle(tmp_path, url, bundle_versions=others)
    assert (second.code, second.changed) == (0, []), second.output

    forged = make_bundle(tmp_path, url)
    assert forged.code != 0
    assert "instead of 46707a53" in forged.output or "instead of 57205a5d" in forged.output
    assert "Traceback" not in forged.output
    assert {path.name: path.read_text() for path in (bundle.root / "bin").iterdir()} == programs
    assert bundle.faults(bundle.read()) == {}


def test_manifest_with_a_flipped_byte_is_refused(tmp_path: Path, releases: Path, url: str) -> None:
    publish_manifests(releases)
    [forged] = (releases / "github").glob("metallb/metallb/raw/*/config/manifests/metallb-native.yaml")
    content = bytearray(forged.read_bytes())
    content[1000] ^= 1
    forged.write_bytes(content)
    answer = make_bundle(tmp_path, url, bundle_source="release", bundle_tags=["addons"])
    assert answer.code != 0
    assert "instead of a1b04c37" in answer.output
    assert not (tmp_path / "bundle/manifests/metallb").exists()
    bundle = Bundle(tmp_path / "bundle")
    assert (bundle.faults(bundle.read()), bundle.strays(bundle.read())) == ({}, [])


def test_manifest_of_another_version_than_pinned_is_refused(tmp_path: Path) -> None:
    for name in ("go.mod", "go.sum"):
        shutil.copy(CHECKOUT / "roles/bundle/files/local-path-provisioner" / name, tmp_path)
    with (tmp_path / "lock").open("w") as lock:
        builder = Builder(
            str(VENV_BIN / "go"), work=tmp_path, cache=CACHE / "go", log=tmp_path / "log", lock=lock.fileno()
        )
        wrong = {"deploy/local-path-storage.yaml": "0" * 64}
        with pytest.raises(GoToolError, match=r"local-path-storage\.yaml of .* has the sha256 fe682186"):
            builder.copy_manifests("github.com/rancher/local-path-provisioner", wrong)


def test_role_downloads_minikube(tmp_path: Path, releases: Path, url: str) -> None:
    """The same of the programs that a Kubernetes by minikube needs."""
    publish_minikube(releases, "1.38.1")
    publish_minikube(releases, "9.9.9")
    publish_minikube(releases, "1.36.0")
    tags = {"bundle_source": "release", "bundle_tags": ["minikube"]}

    made = make_bundle(tmp_path, url, **tags, bundle_versions={"minikube": "9.9.9", "crictl": "9.9.9"})
    assert made.code == 0, made.output
    bundle = Bundle(tmp_path / "bundle")
    assert {path.name: path.read_text() for path in (bundle.root / "bin").iterdir()} == {
        "crictl": "crictl",
        "minikube": "minikube",
    }
    forged = make_bundle(tmp_path, url, **tags, bundle_versions={"crictl": "9.9.9"})
    assert forged.code != 0
    assert "instead of 099477ea" in forged.output or "instead of a0b8a1eb" in forged.output
    assert bundle.faults(bundle.read()) == {}


def test_role_takes_files(tmp_path: Path, url: str) -> None:
    """Programs from a file and from an address, whatever the source is; nothing stays of one that differs."""
    content = {name: f"my {name}".encode() for name in ("crictl", "minikube")}
    for name, text in content.items():
        (tmp_path / f"my-{name}").write_bytes(text)
    files = {
        name: {"src": str(tmp_path / f"my-{name}"), "sha256": hashlib.sha256(text).hexdigest()}
        for name, text in content.items()
    }
    tags = {"bundle_source": "source", "bundle_tags": ["minikube"]}

    without = make_bundle(tmp_path, url, **tags)
    assert without.code != 0
    assert "crictl and minikube cannot be built from source here: set bundle_files to" in without.output
    assert not (tmp_path / "bundle/bin").exists()

    made = make_bundle(tmp_path, url, **tags, bundle_files=files)
    assert made.code == 0, made.output
    bundle = Bundle(tmp_path / "bundle")
    assert {path.name: path.read_bytes() for path in (bundle.root / "bin").iterdir()} == content
    again = make_bundle(tmp_path, url, **tags, bundle_files=files)
    assert (again.code, again.changed) == (0, []), again.output

    files["crictl"]["sha256"] = files["minikube"]["sha256"]
    forged = make_bundle(tmp_path, url, **tags, bundle_files=files)
    assert forged.code != 0
    assert f"instead of {files['minikube']['sha256']}: it is damaged or not the file that is meant" in forged.output
    assert {path.name: path.read_bytes() for path in (bundle.root / "bin").iterdir()} == content
    assert bundle.faults(bundle.read()) == {}
