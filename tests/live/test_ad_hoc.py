"""A user without root, with nothing but a kubeconfig."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.support.ansible import module

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.kubernetes import Kubernetes

USER = "65534"
# The interpreter may lie below root's home: the right to read is all that is left to this user.
READ = "-all,+dac_read_search"
NOT_ROOT = [
    "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
    f"--inh-caps={READ}", f"--ambient-caps={READ}", f"--bounding-set={READ}",
]  # fmt: skip


def test_without_root(kubernetes: Kubernetes, namespace: str, pause: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    kubeconfig = home / "config"
    shutil.copy(kubernetes.kubeconfig, kubeconfig)
    for path in (home, kubeconfig):
        shutil.chown(path, int(USER), int(USER))
    prefix = [*NOT_ROOT, "env", f"HOME={home}", f"ANSIBLE_LOCAL_TEMP={home}/l", f"ANSIBLE_REMOTE_TEMP={home}/r"]
    for options in ({"image": pause, "replicas": 3}, {"state": "absent"}):
        everything = {"name": "demo", "namespace": namespace, **options}
        answer = module("cluster", everything, kubeconfig=kubeconfig, prefix=prefix)
        assert (answer.code, answer.result["changed"]) == (0, True), answer.output
