"""The keywords of a task that the controller itself must heed: no module is sent that would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import Run, run
from tests.support.paths import VENV_BIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

CLUSTER = {"name": "demo", "image": "registry.k8s.io/pause:3.10.2"}
MINE = {"group/slipway.cloud.k8s": {"wait": False}}


def task(tmp_path: Path, kubeconfig: Path, namespace: str, **keywords: Any) -> Run:
    """Run a playbook of this one task; its environment says where the API server is, this process's says nothing."""
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "environment": {"K8S_AUTH_KUBECONFIG": str(kubeconfig)},
        "tasks": [{"slipway.cloud.cluster": {"namespace": namespace, **CLUSTER}, **keywords}],
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([play]))
    return run([str(VENV_BIN / "ansible-playbook"), str(playbook)], env={"KUBECONFIG": "/missing"}, timeout=30)


def deployments(api: ApiServer, namespace: str) -> list[str]:
    items = api.request("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]
    return [item["metadata"]["name"] for item in items]


@pytest.mark.parametrize(
    ("keywords", "created"),
    [({"module_defaults": MINE}, ["demo"]), ({"module_defaults": MINE, "check_mode": True}, [])],
    ids=["environment and module_defaults", "check_mode"],
)
def test_heeded(
    api: ApiServer, namespace: str, kubeconfig: Path, tmp_path: Path, keywords: dict[str, Any], created: list[str]
) -> None:
    answer = task(tmp_path, kubeconfig, namespace, **keywords)
    assert answer.changed == ["localhost: slipway.cloud.cluster"], answer.output
    assert deployments(api, namespace) == created


def test_timeout_ends_the_wait(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    answer = task(tmp_path, kubeconfig, namespace, timeout=3)  # nobody here makes pods of a Deployment
    assert answer.code == 2
    assert "Timed out after 3 second" in answer.output
    assert answer.seconds < 10


def test_async_is_refused(api: ApiServer, namespace: str, kubeconfig: Path, tmp_path: Path) -> None:
    answer = task(tmp_path, kubeconfig, namespace, **{"async": 60})
    assert "does not support async" in answer.output
    assert deployments(api, namespace) == []
