"""A user without root, with nothing but a kubeconfig."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.support.ansible import module
from tests.support.users import USER, not_root

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.kubernetes import Kubernetes


def test_without_root(kubernetes: Kubernetes, namespace: str, pause: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    kubeconfig = home / "config"
    shutil.copy(kubernetes.kubeconfig, kubeconfig)
    for path in (home, kubeconfig):
        shutil.chown(path, USER, USER)
    prefix = not_root(home)
    for options in ({"image": pause, "replicas": 3}, {"state": "absent"}):
        everything = {"name": "demo", "namespace": namespace, **options}
        answer = module("cluster", everything, kubeconfig=kubeconfig, prefix=prefix)
        assert (answer.code, answer.result["changed"]) == (0, True), answer.output
