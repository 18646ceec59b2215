# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what is removed that minikube's own delete leaves, and of what is not minikube's and stays."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._minikube_traces import (
    Traces,
    bridge_of,
    holds_contexts,
    without_aliases,
)

if t.TYPE_CHECKING:
    from pathlib import Path

OWN = "127.0.0.1\tlocalhost\n10.0.0.1 registry.internal\n"
CONFLIST = '{"name": "bridge", "plugins": [{"type": "bridge", "bridge": "bridge"}, {"type": "portmap"}]}'
DROP_IN = "ExecStart=/var/lib/minikube/binaries/v1.36.3/kubelet --config=/var/lib/kubelet/config.yaml\n"
FILES = {
    "etc/hosts": OWN + "10.0.0.2\thost.minikube.internal\n10.0.0.2\tcontrol-plane.minikube.internal\n",
    "etc/cni/net.d/1-k8s.conflist": CONFLIST,
    "etc/systemd/system/kubelet.service.d/10-kubeadm.conf": DROP_IN,
    "lib/systemd/system/kubelet.service": "",
    "sys/class/net/bridge/address": "",
    "var/lib/cni/networks/bridge/10.244.0.2": "",
}
OTHERS = {
    "etc/hosts": OWN,
    "etc/cni/net.d/10-containerd-net.conflist": CONFLIST,
    "etc/systemd/system/kubelet.service.d/10-kubeadm.conf": "ExecStart=/usr/bin/kubelet\n",
    "lib/systemd/system/kubelet.service": "",
}


def put(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def remove(root: Path, *, check_mode: bool = False) -> list[str]:
    """Remove the traces and return what was done."""
    done: list[str] = []
    Traces(lambda *command: done.append(" ".join(command)), note=done.append, check_mode=check_mode, root=root).remove()
    return [action.replace(f"{root}/", "/") for action in done]


def left(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("check_mode", [True, False])
def test_removes_what_is_minikubes(tmp_path: Path, check_mode: bool) -> None:
    put(tmp_path, FILES)
    assert remove(tmp_path, check_mode=check_mode) == [
        "systemctl disable --now kubelet",
        "remove /etc/systemd/system/kubelet.service.d",
        "remove /lib/systemd/system/kubelet.service",
        "systemctl daemon-reload",
        "ip link delete bridge",
        "remove /var/lib/cni",
        "remove /etc/cni/net.d/1-k8s.conflist",
        "edit /etc/hosts",
    ]
    assert left(tmp_path) == (FILES if check_mode else {"etc/hosts": OWN, "sys/class/net/bridge/address": ""})
    assert check_mode or remove(tmp_path) == []


def test_leaves_what_is_not(tmp_path: Path) -> None:
    put(tmp_path, OTHERS)
    assert remove(tmp_path) == []
    assert left(tmp_path) == OTHERS


def test_hosts_without_aliases_stays_as_it_is() -> None:
    assert without_aliases(OWN) == OWN


def test_no_bridge() -> None:
    assert bridge_of('{"plugins": [{"type": "ptp"}]}') == ""


@pytest.mark.parametrize(
    ("kubeconfig", "held"),
    [
        ('apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: ""\nkind: Config\nusers: null\n', False),
        ("clusters: []\ncontexts: []\nusers: []\n", False),
        ("clusters:\n- cluster:\n    server: https://192.0.2.7:6443\n  name: prod\ncontexts: null\n", True),
    ],
    ids=["emptied by minikube", "empty lists", "another cluster"],
)
def test_kubeconfig_that_holds_something(kubeconfig: str, held: bool) -> None:
    assert holds_contexts(kubeconfig) is held
