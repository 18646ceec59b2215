"""The role admission against an API server: what it lets in, what it refuses and how it says so."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import Run, run
from tests.support.api_server import POWERLESS, ApiError
from tests.support.kubernetes import succeed
from tests.support.paths import VENV_BIN
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

OURS = "admission-ours"
CLUSTERS = "admission-clusters"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
DIGEST = f"@sha256:{'0' * 64}"
FOLLOWED = ("worker", "object_store", "publisher", "nginx_pool", "redis", "counter")


def play(kubeconfig: Path, home: Path, *flags: str, part: str = "main", **variables: Any) -> Run:
    """Run the role, or a part of it, as the playbooks do."""
    path = home / "play.yml"
    role = {"name": "Do it", "ansible.builtin.include_role": {"name": "admission", "tasks_from": part}}
    defaults = {"group/slipway.cloud.k8s": {"kubeconfig": "{{ site_kubeconfig }}", "context": "{{ site_context }}"}}
    path.write_text(
        json.dumps(
            [
                {
                    "name": "Try",
                    "hosts": "controller",
                    "gather_facts": False,
                    "module_defaults": defaults,
                    "tasks": [role],
                }
            ]
        )
    )
    given = {
        "site_kubeconfig": str(kubeconfig),
        "admission_namespaces": [OURS],
        "admission_cluster_namespaces": [CLUSTERS],
        **variables,
    }
    given = {name: value for name, value in given.items() if value is not None}
    command = [str(VENV_BIN / "ansible-playbook"), "-i", "inventories/existing", str(path), *flags]
    return succeed(run([*command, f"--extra-vars={json.dumps(given)}"], timeout=120))


@pytest.fixture(scope="module")
def admin(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two namespaces with their policies, and an admin's kubeconfig."""
    home = tmp_path_factory.mktemp("admission")
    kubeconfig = api.kubeconfig(home / "admin")
    for name in (OURS, CLUSTERS):
        api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    play(kubeconfig, home)
    eventually(lambda: "listed images" in refusal(api, OURS, "evil.test/app:v1"), within=30, what="the policy")
    return kubeconfig


def refusal(api: ApiServer, namespace: str, image: str, *, init: str = "") -> str:
    """Return why a pod is refused, empty when it is let in; nothing is kept."""
    spec: dict[str, Any] = {"containers": [{"name": "a", "image": image}]}
    if init:
        spec["initContainers"] = [{"name": "i", "image": init}]
    pod = {"metadata": {"name": "probe"}, "spec": spec}
    try:
        api.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
    except ApiError as error:
        return str(error)
    return ""


def not_let_in(api: ApiServer, namespace: str) -> bool:
    """Whether an image that nobody lists is refused there."""
    return refusal(api, namespace, "evil.test/app:v1") != ""


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize(
    "image",
    [
        "slipway.local/worker:0123456789ab",
        "slipway.local/nginx-pool:0123456789ab",
        f"slipway.local/publisher{DIGEST}",
        f"ghcr.io/versity/versitygw:v1.8.0{DIGEST}",
        "slipway.local/redis:0123456789ab",
        "slipway.local/counter:0123456789ab",
    ],
)
def test_listed_images_are_let_in(api: ApiServer, image: str) -> None:
    assert refusal(api, OURS, image) == ""


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize(
    "image",
    [
        "worker",
        "evil.test/slipway.local/worker:v1",
        "slipway.local/worker-of-mine:v1",
        "slipway.local/worker/other:v1",
        "slipwayxlocal/worker:v1",
        "slipway.local:5000/worker:v1",
        "slipway.local/worker:v1@sha256:0",
    ],
)
def test_other_images_are_refused_by_name(api: ApiServer, image: str) -> None:
    said = refusal(api, OURS, image)
    assert f"Slipway lets only listed images into {OURS}, and not {image}" in said
    assert "role admission" in said


@pytest.mark.usefixtures("admin")
def test_containers_that_run_first_are_looked_at_too(api: ApiServer) -> None:
    said = refusal(api, OURS, "slipway.local/worker:v1", init="evil.test/init:v1")
    assert "and not evil.test/init:v1" in said


def test_clusters_choose_their_images_until_there_is_a_list(api: ApiServer, admin: Path, tmp_path: Path) -> None:
    assert refusal(api, CLUSTERS, "any.test/app:v1") == ""
    play(admin, tmp_path, admission_cluster_images=["registry.test/team/app"])
    eventually(lambda: refusal(api, CLUSTERS, "any.test/app:v1") != "", within=30, what="the policy of clusters")
    assert refusal(api, CLUSTERS, "registry.test/team/app:v1") == ""
    play(admin, tmp_path)  # the list is empty again: its policy goes
    eventually(lambda: refusal(api, CLUSTERS, "any.test/app:v1") == "", within=30, what="the end of the policy")


def test_where_clusters_share_a_namespace_they_choose_too(api: ApiServer, admin: Path, tmp_path: Path) -> None:
    shared: dict[str, Any] = {"admission_cluster_namespaces": [OURS]}
    play(admin, tmp_path, **shared)  # any image: no policy
    eventually(lambda: refusal(api, OURS, "any.test/app:v1") == "", within=30, what="the end of the policy")
    play(admin, tmp_path, **shared, admission_cluster_images=["registry.test/team/app"])
    eventually(lambda: refusal(api, OURS, "any.test/app:v1") != "", within=30, what="the policy of both")
    assert refusal(api, OURS, "registry.test/team/app:v1") == ""
    assert refusal(api, OURS, "slipway.local/worker:v1") == ""
    play(admin, tmp_path)
    eventually(lambda: refusal(api, OURS, "registry.test/team/app:v1") != "", within=30, what="our own list")


def test_namespaces_and_images_follow_the_other_roles(api: ApiServer, admin: Path, tmp_path: Path) -> None:
    names: dict[str, Any] = {f"{role}_namespace": f"admission-{role.partition('_')[0]}" for role in FOLLOWED}
    others: dict[str, Any] = {
        "object_store_image": f"registry.test:5000/store:v1{DIGEST}",
        "counter_image": "registry.test/app",
        "worker_namespaces": [CLUSTERS],
    }
    # The default: what the fixture gives in its place is left out.
    given: dict[str, Any] = {"admission_namespaces": None, "admission_cluster_namespaces": None}
    for name in names.values():
        api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    play(admin, tmp_path, **names, **others, **given)
    for name in names.values():
        eventually(partial(not_let_in, api, name), within=30, what=f"the policy of {name}")
        assert refusal(api, name, "registry.test:5000/store:v2") == ""
        assert refusal(api, name, "registry.test/app:v1") == ""
        assert refusal(api, name, "registry.test/store:v1") != ""
    play(admin, tmp_path, part="remove", **names, **others, **given)
    play(admin, tmp_path)


def test_a_second_run_changes_nothing(admin: Path, tmp_path: Path) -> None:
    assert not play(admin, tmp_path).changed


@pytest.mark.usefixtures("admin")
def test_who_may_not_is_told_what_is_lacking(api: ApiServer, tmp_path: Path) -> None:
    user = api.kubeconfig(tmp_path / "user", token=POWERLESS)
    done = play(user, tmp_path)
    assert not done.changed
    assert f"slipway-images-{OURS}" in done.output


def test_images_of_a_registry_go_by_its_name(api: ApiServer, admin: Path, tmp_path: Path) -> None:
    registry = "https://registry.test:5000/team/"
    play(admin, tmp_path, images_registry=registry)
    image = f"registry.test:5000/team/worker{DIGEST}"
    eventually(lambda: refusal(api, OURS, image) == "", within=30, what="the other list")
    eventually(lambda: refusal(api, OURS, "slipway.local/worker:v1") != "", within=30, what="the end of the first")


def test_policies_are_taken_away(api: ApiServer, admin: Path, tmp_path: Path) -> None:
    assert api.has(f"{POLICIES}/slipway-images-{OURS}")
    play(admin, tmp_path, part="remove")
    assert not api.has(f"{POLICIES}/slipway-images-{OURS}")
    eventually(lambda: refusal(api, OURS, "evil.test/app:v1") == "", within=30, what="the end of the policy")
