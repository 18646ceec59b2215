"""The life of a cluster on the real Kubernetes, through the command that a user types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import module

if TYPE_CHECKING:
    from tests.support.ansible import Run
    from tests.support.kubernetes import Kubernetes

CREATED = ("applied", "scheduled", "started", "available")
GONE = ("object_gone", "pods_gone")


def run_cluster(kubernetes: Kubernetes, namespace: str, *flags: str, **options: Any) -> Run:
    """Run the module ad hoc on a cluster called `demo`."""
    everything = {"name": "demo", "namespace": namespace, **options}
    return module("cluster", everything, *flags, kubeconfig=kubernetes.kubeconfig)


def pods(kubernetes: Kubernetes, namespace: str) -> int:
    """The count of pods that are to stay; a scaled cluster's others may still be on their way out."""
    found = kubernetes.items("pods", f"--namespace={namespace}")
    return sum("deletionTimestamp" not in pod["metadata"] for pod in found)


def test_created_scaled_and_deleted(kubernetes: Kubernetes, namespace: str, pause: str) -> None:
    steps: list[tuple[dict[str, Any], int, tuple[str, ...]]] = [
        ({"image": pause, "replicas": 30}, 30, CREATED),
        ({"image": pause, "replicas": 10}, 10, ("applied", "available")),
        ({"state": "absent"}, 0, GONE),
    ]
    for options, expected, phases in steps:
        answer = run_cluster(kubernetes, namespace, **options)
        assert pods(kubernetes, namespace) == expected, answer.output
        assert answer.result["changed"] is True
        cluster = answer.result["clusters"][0]
        assert {phase: type(cluster["phases"].get(phase)) for phase in phases} == dict.fromkeys(phases, float)
        assert cluster["cause"] is None

        if not expected:
            assert kubernetes.items("pods", f"--namespace={namespace}") == []
        again = run_cluster(kubernetes, namespace, **options)
        assert (again.code, again.result["changed"]) == (0, False), again.output
        assert pods(kubernetes, namespace) == expected


def test_phases_follow_each_other(kubernetes: Kubernetes, namespace: str, pause: str) -> None:
    phases = run_cluster(kubernetes, namespace, image=pause, replicas=2).result["clusters"][0]["phases"]
    times = [phases[phase] for phase in CREATED]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("before", "options", "changed"),
    [
        (None, {"replicas": 2}, True),
        (2, {"replicas": 3}, True),
        (2, {"replicas": 2}, False),
        (2, {"state": "absent"}, True),
        (None, {"state": "absent"}, False),
    ],
    ids=["create", "scale", "same", "delete", "delete what is not there"],
)
def test_check_mode_changes_nothing(
    kubernetes: Kubernetes, namespace: str, pause: str, before: int | None, options: dict[str, Any], changed: bool
) -> None:
    if before:
        run_cluster(kubernetes, namespace, image=pause, replicas=before)
    options = {"image": pause, **options} if "replicas" in options else options
    answer = run_cluster(kubernetes, namespace, "--check", "--diff", **options)
    assert (answer.code, answer.result["changed"]) == (0, changed), answer.output
    assert pods(kubernetes, namespace) == (before or 0)


def test_many_clusters_in_one_task(kubernetes: Kubernetes, namespace: str, pause: str) -> None:
    names = [f"demo-{number}" for number in range(5)]
    clusters = [{"name": name, "image": pause} for name in names]
    for state, expected in (("present", 5), ("absent", 0)):
        options = {"clusters": clusters, "namespace": namespace, "state": state}
        answer = module("cluster", options, kubeconfig=kubernetes.kubeconfig)
        assert [each["name"] for each in answer.result["clusters"]] == names, answer.output
        assert pods(kubernetes, namespace) == expected


def test_next_run_mends_a_bad_image(kubernetes: Kubernetes, namespace: str, pause: str) -> None:
    bad = run_cluster(kubernetes, namespace, image="slipway.local/none:1", image_pull_policy="Never", replicas=3)
    assert bad.result["clusters"][0]["cause"]["code"] == "image_not_found", bad.output
    mended = run_cluster(kubernetes, namespace, image=pause, replicas=3)
    assert mended.code == 0, mended.output


def test_info(kubernetes: Kubernetes, namespace: str, pause: str) -> None:
    run_cluster(kubernetes, namespace, image=pause, replicas=2)
    run_cluster(
        kubernetes, namespace, name="sick", image="slipway.local/none:1", image_pull_policy="Never", wait_timeout=10
    )
    answer = module("cluster_info", {"namespace": namespace}, kubeconfig=kubernetes.kubeconfig)
    told = {
        each["name"]: (each["state"], each["available"], each["cause"] is None) for each in answer.result["clusters"]
    }
    assert told == {"demo": ("available", 2, True), "sick": ("pending", 0, False)}, answer.output
    assert answer.result["clusters"][1]["cause"]["code"] == "image_not_found"


def test_object_of_another_owner_is_left_alone(kubernetes: Kubernetes, namespace: str, pause: str) -> None:
    kubernetes.kubectl("create", "deployment", "demo", f"--image={pause}", f"--namespace={namespace}")
    before = kubernetes.get("deployment", "demo", f"--namespace={namespace}")
    for options in ({"image": pause, "replicas": 3}, {"state": "absent"}):
        answer = run_cluster(kubernetes, namespace, **options)
        assert (answer.code, answer.result["code"]) == (2, "not_ours"), answer.output
    after = kubernetes.get("deployment", "demo", f"--namespace={namespace}")
    assert (before["metadata"]["uid"], before["spec"]) == (after["metadata"]["uid"], after["spec"])
