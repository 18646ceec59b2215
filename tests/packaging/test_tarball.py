"""What `make build` makes installs into an empty place, and works from there without this checkout."""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.ansible import Run, run
from tests.support.paths import CACHE, CHECKOUT, VENV_BIN

if TYPE_CHECKING:
    from pathlib import Path

UNWANTED = re.compile(r"^tests/|(^|/)(__pycache__|\.[^/]*)(/|$)|\.(pyc|retry)$")
KUBECONFIG = """\
current-context: a
clusters: [{name: a, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: a, user: {token: secret}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
"""


@dataclass(frozen=True)
class Place:
    """An empty directory, home included, that knows the installed collection alone."""

    path: Path

    def run(self, program: str, *arguments: str) -> Run:
        """Run one of Ansible's programs there."""
        env = {
            "HOME": str(self.path),
            "XDG_CACHE_HOME": str(CACHE.parent),  # the role `host` pushes binaries of the bundle
            "ANSIBLE_COLLECTIONS_PATH": str(self.path),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        }
        command = ["env", f"--chdir={self.path}", str(VENV_BIN / program), *arguments]
        return run(command, env=env, timeout=300)


@pytest.fixture(scope="session")
def tarball() -> Path:
    """The tarball, built anew."""
    built = run(["make", "build"], timeout=300)
    assert built.code == 0, built.output
    return max((CHECKOUT / "build").glob("slipway-cloud-*.tar.gz"), key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="session")
def place(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An empty place into which the tarball was installed."""
    place = Place(tmp_path_factory.mktemp("place"))
    flags = ("--offline", "--collections-path", str(place.path))
    installed = place.run("ansible-galaxy", "collection", "install", *flags, str(tarball))
    assert installed.code == 0, installed.output
    return place


def test_the_tarball_holds_what_is_needed_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    assert {"LICENSE", "README.md", "meta/runtime.yml", "playbooks/site.yml", "roles/host/tasks/main.yml"} <= set(names)
    assert [name for name in names if UNWANTED.search(name)] == []


def test_a_module_runs(place: Place) -> None:
    source = place.path / "source"
    source.write_text(KUBECONFIG)
    options = json.dumps({"src": str(source), "name": "mine", "path": str(place.path / "config")})

    merged = place.run("ansible", "localhost", "-m", "slipway.cloud.kubeconfig", "-a", options)

    assert merged.code == 0, merged.output
    assert merged.result["changed"]


def test_every_module_has_its_documentation(place: Place) -> None:
    plugins = CHECKOUT / "collections/ansible_collections/slipway/cloud/plugins/modules"

    listed = place.run("ansible-doc", "--list", "slipway.cloud")

    documented = {line.split()[0] for line in listed.output.splitlines() if line.startswith("slipway.cloud.")}
    assert documented == {f"slipway.cloud.{path.stem}" for path in plugins.glob("*.py")}


def test_a_role_runs_in_check_mode(place: Place) -> None:
    play = [{"hosts": "localhost", "connection": "local", "roles": ["slipway.cloud.host"]}]
    (place.path / "play.yml").write_text(json.dumps(play))

    checked = place.run("ansible-playbook", "--check", "play.yml")

    assert checked.code == 0, checked.output


def test_the_site_lists_its_tasks(place: Place) -> None:
    listed = place.run("ansible-playbook", "slipway.cloud.site", "--list-tasks")
    assert listed.code == 0, listed.output
    assert "preflight : Refuse variables that no role knows" in listed.output
