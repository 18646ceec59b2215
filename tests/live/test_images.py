"""Images on the nodes: pinned against garbage collection, and fit to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.kubernetes import Kubernetes

PINNED = "io.cri-containerd.pinned=pinned"


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
