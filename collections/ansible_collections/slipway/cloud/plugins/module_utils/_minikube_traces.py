# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What ``minikube delete`` leaves on a machine with the driver none.

Runs on nodes: the standard library of Python 3.10 only. Each trace is known by what only minikube writes, so that
nothing of another Kubernetes is touched.
"""

from __future__ import annotations

import json
import shutil
import typing as t
from pathlib import Path

_HOSTS_SUFFIX = ".minikube.internal"
_KUBELET = "/var/lib/minikube/"


def without_aliases(hosts: str) -> str:
    """Return the text of /etc/hosts without the names that minikube added."""
    lines = hosts.splitlines(keepends=True)
    return "".join(line for line in lines if not line.rstrip().endswith(_HOSTS_SUFFIX))


def bridge_of(conflist: str) -> str:
    """Return the network device that a CNI configuration makes, an empty string if there is none."""
    return next((plugin["bridge"] for plugin in json.loads(conflist)["plugins"] if "bridge" in plugin), "")


def holds_contexts(kubeconfig: str) -> bool:
    """Whether there is any cluster, context or user in a kubeconfig, as minikube and kubectl write it."""
    return any(line.startswith("- ") for line in kubeconfig.splitlines())


class Traces:
    """Removes them; ``system`` runs a command that changes something, ``note`` takes what else is changed."""

    def __init__(
        self,
        system: t.Callable[..., None],
        *,
        note: t.Callable[[str], None],
        check_mode: bool,
        root: Path = Path("/"),
    ) -> None:
        self._system = system
        self._note = note
        self._check_mode = check_mode
        self._root = root

    def remove(self) -> None:
        """Remove all there are."""
        self._remove_kubelet()
        self._remove_network()
        self._remove_aliases()

    def _remove_kubelet(self) -> None:
        drop_in = self._root / "etc/systemd/system/kubelet.service.d/10-kubeadm.conf"
        if drop_in.is_file() and _KUBELET in drop_in.read_text(encoding="utf-8"):
            self._system("systemctl", "disable", "--now", "kubelet")
            self._delete(drop_in.parent)
            self._delete(self._root / "lib/systemd/system/kubelet.service")
            self._system("systemctl", "daemon-reload")

    def _remove_network(self) -> None:
        conflist = self._root / "etc/cni/net.d/1-k8s.conflist"
        if conflist.is_file():
            bridge = bridge_of(conflist.read_text(encoding="utf-8"))
            if bridge and (self._root / "sys/class/net" / bridge).exists():
                self._system("ip", "link", "delete", bridge)
            self._delete(self._root / "var/lib/cni")
            self._delete(conflist)

    def _remove_aliases(self) -> None:
        hosts = self._root / "etc/hosts"
        text = hosts.read_text(encoding="utf-8")
        if (rest := without_aliases(text)) != text:
            self._note(f"edit {hosts}")
            if not self._check_mode:
                hosts.write_text(rest, encoding="utf-8")

    def _delete(self, path: Path) -> None:
        if not path.exists():
            return
        self._note(f"remove {path}")
        if not self._check_mode:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
