"""Images on the nodes: pinned against garbage collection, fit to run, and none that was tampered with."""

from __future__ import annotations

import json
import platform
import re
import secrets
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._bundle import architecture, sha256_of
from ansible_collections.slipway.cloud.plugins.module_utils._image_archive import Config, Source, write_archive
from ansible_collections.slipway.cloud.plugins.module_utils._signing import Archive, Signed, sign
from tests.support.ansible import run
from tests.support.paths import BUNDLE_BIN, CACHE, VENV_BIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.ansible import Run
    from tests.support.kubernetes import Kubernetes

PINNED = "io.cri-containerd.pinned=pinned"
ON_NODES = "/opt/slipway/images"  # where nodes see the cache


def test_every_image_is_pinned(kubernetes: Kubernetes) -> None:
    for node in kubernetes.addresses:
        table = kubernetes.on_node(node, "ctr", "--namespace=k8s.io", "images", "list").output.splitlines()
        images = [line for line in table if " application/vnd." in line and not line.startswith("sha256:")]
        assert len(images) >= 5  # pause, kube-proxy, flannel, CoreDNS, python-base
        assert [line.split()[0] for line in images if PINNED not in line] == []


def test_python_base_runs(kubernetes: Kubernetes, namespace: str) -> None:
    image = kubernetes.image("slipway.local/python-base")
    command = ["python3", "-c", "import ssl, json; print(ssl.OPENSSL_VERSION)"]
    flags = ["--restart=Never", "--image-pull-policy=Never", f"--namespace={namespace}"]
    kubernetes.kubectl("run", "python", f"--image={image}", *flags, "--command", "--", *command)
    done = "--for=jsonpath={.status.phase}=Succeeded"
    kubernetes.kubectl("wait", "pod/python", done, "--timeout=30s", f"--namespace={namespace}")
    assert kubernetes.kubectl("logs", "python", f"--namespace={namespace}").startswith("OpenSSL 3")


@dataclass(frozen=True)
class Shipment:
    """An image of the test's own where all nodes see its archive, and its list, signed as the site's own."""

    kubernetes: Kubernetes
    name: str
    archive: Path
    signed: Signed

    def imported(self, signed: Signed) -> Run:
        """Have every node import it by this list."""
        images = [{"name": self.name, "archive": f"{ON_NODES}/{self.archive.name}"}]
        options = json.dumps({"images": images, "signed": asdict(signed)})
        flags = ["--inventory=inventories/testbed", "-e", f"vm_set={self.kubernetes.vm_set}", "--become"]
        command = [str(VENV_BIN / "ansible"), "kubeadm", *flags, "-m", "slipway.cloud.node_images", "-a", options]
        return run(command, env={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}, timeout=120)

    @property
    def holders(self) -> list[str]:
        """The nodes that have it."""
        listing = ("ctr", "--namespace=k8s.io", "images", "list", "--quiet")
        nodes = self.kubernetes.addresses
        return [node for node in nodes if self.name in self.kubernetes.on_node(node, *listing).output.split()]


def refusals(answer: Run) -> dict[str, str]:
    """What each host said that failed."""
    heads = re.finditer(r"^(\S+) \| FAILED! => ", answer.output, re.MULTILINE)
    return {head[1]: json.JSONDecoder().raw_decode(answer.output, head.end())[0]["msg"] for head in heads}


@pytest.fixture
def shipment(kubernetes: Kubernetes, tmp_path: Path) -> Iterator[Shipment]:
    """An image that no node has; afterwards it is nowhere."""
    tag = secrets.token_hex(4)
    name, archive = f"signed.test/image:{tag}", CACHE / "images" / f"signed-test-{tag}.tar"
    config = Config(architecture(platform.machine()))
    digest = write_archive(archive, name=name, config=config, base=None, sources=[Source(dest="/tag", content=tag)])
    row = Archive(file=archive.name, sha256=sha256_of(archive), digest=digest)
    cosign = str(BUNDLE_BIN / "cosign")
    try:
        _, signed = sign({name: row}, path=tmp_path / "images.json", keys=CACHE / "keys", cosign=cosign)
        yield Shipment(kubernetes, name, archive, signed)
    finally:
        archive.unlink()
        for node in kubernetes.addresses:
            kubernetes.on_node(node, "ctr", "--namespace=k8s.io", "images", "rm", name)


def test_what_was_tampered_with_is_refused_on_every_node(shipment: Shipment, tmp_path: Path) -> None:
    signed = shipment.signed
    whole = shipment.archive.read_bytes()
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 1
    other = {shipment.name: Archive(file="", sha256="0" * 64, digest="")}
    keys, cosign = CACHE / "keys", str(BUNDLE_BIN / "cosign")
    _, of_another_list = sign(other, path=tmp_path / "other.json", keys=keys, cosign=cosign)
    _, by_another_key = sign(other, path=tmp_path / "foreign.json", keys=tmp_path / "keys", cosign=cosign)
    signatures = [json.loads(made.signature) for made in (signed, of_another_list)]
    signatures[0]["messageSignature"]["signature"] = signatures[1]["messageSignature"]["signature"]
    tampered: dict[str, tuple[bytes | bytearray, Signed]] = {
        f"{shipment.archive.name} was changed: its sha256 is": (damaged, signed),
        "The list of image archives was changed: its sha256 is": (
            whole,
            replace(signed, manifest=signed.manifest.replace("signed.test", "forged.test")),
        ),
        "The signature of the list of image archives was changed": (
            whole,
            replace(signed, signature=json.dumps(signatures[0])),
        ),
        "The list of image archives has no signature": (whole, replace(signed, signature="")),
        "but this node trusts": (whole, by_another_key),
    }
    nodes = set(shipment.kubernetes.addresses)
    for message, (content, given) in tampered.items():
        shipment.archive.write_bytes(content)
        answer = shipment.imported(given)
        refused = refusals(answer)
        assert refused.keys() == nodes, answer.output
        assert all(text.startswith("No image was imported. ") and message in text for text in refused.values()), refused
        assert shipment.holders == []

    shipment.archive.write_bytes(whole)
    answer = shipment.imported(signed)
    assert answer.code == 0, answer.output
    assert set(shipment.holders) == nodes
