"""The engine in an interpreter that has the package kubernetes and what it needs, and nothing else."""

from __future__ import annotations

import json
import sys
from importlib.metadata import distribution
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from tests.support.ansible import run
from tests.support.kubernetes import succeed
from tests.support.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution
    from pathlib import Path

ENGINE = CHECKOUT / "collections/ansible_collections/slipway/cloud/plugins/module_utils/engine"
PROGRAM = """
import sys
site, kubeconfig, namespace = sys.argv[1:]
sys.path.append(site)

import json
from engine import client, lifecycle, manifest

group, kind = "test.slipway.dev", "Ticket"
schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
definition = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"tickets.{group}"},
    "spec": {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": "tickets", "singular": "ticket", "kind": kind},
        "versions": [version],
    },
}
ticket = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "one", "namespace": namespace}}
with client.connect(client.Connection(kubeconfig=kubeconfig)) as connected:
    results = manifest.ensure_present(connected, [ticket, definition], lifecycle.Options(timeout=30))
foreign = sorted(name for name in sys.modules if name.partition(".")[0] in ("ansible", "ansible_collections"))
print(json.dumps([foreign, [(each.kind, each.action, each.cause and each.cause.summary) for each in results]]))
"""


def needed(name: str) -> Iterator[Distribution]:
    """A distribution, and all that it needs here; some of them more than once."""
    found = distribution(name)
    yield found
    for requirement in map(Requirement, found.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from needed(requirement.name)


def test_engine_alone(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "engine").symlink_to(ENGINE)
    for each in {each.name: each for each in needed("kubernetes")}.values():
        for top in {file.parts[0] for file in each.files or ()} - {"..", "__pycache__"}:
            (site / top).symlink_to(str(each.locate_file(top)))
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(site), str(kubeconfig), namespace]
    foreign, results = json.loads(succeed(run(command, timeout=60)).output)
    assert foreign == []
    assert results == [[kind, "created", None] for kind in ("CustomResourceDefinition", "Ticket")]
