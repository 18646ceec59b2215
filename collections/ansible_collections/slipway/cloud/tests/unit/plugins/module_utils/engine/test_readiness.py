# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the verdicts."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Evidence
from ansible_collections.slipway.cloud.plugins.module_utils.engine.expressions import Expression
from ansible_collections.slipway.cloud.plugins.module_utils.engine.readiness import gone, ready, ready_when, takes_time
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT, Object, Resource
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import State, Target, Verdict, View

TARGET = Target(DEPLOYMENT, "n", "demo", uid="d", generation=2, revision=10)
COMPLETE = {"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}
REVISION = "deployment.kubernetes.io/revision"


def deployment(status: Object, *, uid: str = "d", replicas: int = 3, **spec: t.Any) -> Object:
    meta = {"name": "demo", "namespace": "n", "uid": uid, "annotations": {REVISION: "2"}}
    return {"kind": "Deployment", "metadata": meta, "spec": {"replicas": replicas, **spec}, "status": status}


def view(obj: Object | None, *descendants: Object, settled: bool = True) -> View:
    return View(TARGET, obj, settled, descendants)


def replica_set(revision: int) -> Object:
    meta = {"name": f"demo-{revision}", "uid": f"rs{revision}", "annotations": {REVISION: str(revision)}}
    return {"kind": "ReplicaSet", "metadata": meta}


def pod(name: str, owner: str = "rs2", *, state: str = "running", **meta: t.Any) -> Object:
    owners = [{"uid": owner, "controller": True}]
    status: Object = {"conditions": [{"type": "PodScheduled", "status": "True"}]}
    status["containerStatuses"] = [{"name": "main", "state": {state: {"reason": "ImagePullBackOff"}}}]
    return {"kind": "Pod", "metadata": {"name": name, "ownerReferences": owners, **meta}, "status": status}


@pytest.mark.parametrize(
    ("obj", "state", "summary"),
    [
        (deployment(COMPLETE), State.DONE, "3 of 3 replicas available"),
        (deployment({}), State.PENDING, "has not seen the change yet"),
        (deployment({**COMPLETE, "observedGeneration": 1}), State.PENDING, "has not seen the change yet"),
        (deployment({**COMPLETE, "updatedReplicas": 2}), State.PENDING, "2 updated, 1 old ones left"),
        (deployment({**COMPLETE, "replicas": 4}), State.PENDING, "1 old ones left"),
        (deployment({**COMPLETE, "availableReplicas": 2}), State.PENDING, "2 of 3 replicas available"),
        (deployment({**COMPLETE, "updatedReplicas": 0, "replicas": 0}), State.PENDING, "0 updated"),
        (deployment({"observedGeneration": 2}, replicas=0), State.DONE, "0 of 0"),
        (deployment(COMPLETE, replicas=0), State.PENDING, "0 of 0"),
        (deployment(COMPLETE, paused=True), State.DONE, "3 of 3"),
        (deployment({"observedGeneration": 2}, paused=True), State.FAILED, "is paused"),
        (deployment({"observedGeneration": 1}, paused=True), State.PENDING, "has not seen the change yet"),
    ],
)
def test_deployment(obj: Object, state: State, summary: str) -> None:
    verdict = ready(view(obj))
    assert verdict.state is state
    assert summary in verdict.summary


@pytest.mark.parametrize(
    ("obj", "settled", "state", "code"),
    [
        (None, False, State.PENDING, None),
        (None, True, State.FAILED, "deleted_by_other"),
        (deployment(COMPLETE, uid="other"), True, State.FAILED, "deleted_by_other"),
        (deployment(COMPLETE, uid="older"), False, State.PENDING, None),
        (deployment(COMPLETE), False, State.PENDING, None),
    ],
)
def test_only_the_very_object_counts(obj: Object | None, settled: bool, state: State, code: str | None) -> None:
    verdict = ready(view(obj, settled=settled))
    assert (verdict.state, verdict.cause and verdict.cause.code) == (state, code)


@pytest.mark.parametrize(("generation", "state"), [(2, State.DONE), (3, State.PENDING)])
def test_status_of_an_earlier_generation_says_nothing_of_the_present_one(generation: int, state: State) -> None:
    obj = deployment(COMPLETE)
    obj["metadata"]["generation"] = generation
    assert ready(view(obj)).state is state


@pytest.mark.parametrize(("generation", "code"), [(2, "image_pull_failed"), (3, None)])
def test_trouble_that_the_change_may_mend_is_no_cause(generation: int, code: str | None) -> None:
    obj = deployment({**COMPLETE, "availableReplicas": 0})
    obj["metadata"]["generation"] = generation
    cause = ready(view(obj, replica_set(2), pod("bad", state="waiting"))).cause
    assert (cause and cause.code) == code


def test_object_that_is_being_deleted_will_not_become_ready() -> None:
    obj = deployment(COMPLETE)
    obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert ready(view(obj)).state is State.FAILED


@pytest.mark.parametrize(
    ("pods", "reached"),
    [
        ([pod("a"), pod("b"), pod("c")], ("scheduled", "started")),
        ([pod("a"), pod("b"), pod("c", state="waiting")], ("scheduled",)),
        ([pod("a"), pod("b")], ()),
        ([pod("a"), pod("b"), pod("old", owner="rs1")], ()),
        ([pod("a"), pod("b"), pod("going", deletionTimestamp="2026-01-01T00:00:00Z")], ()),
    ],
)
def test_stages_are_those_of_the_newest_pods(pods: list[Object], reached: tuple[str, ...]) -> None:
    seen = view(deployment({**COMPLETE, "availableReplicas": 0}), replica_set(1), replica_set(2), *pods)
    assert ready(seen).reached == reached


def test_trouble_of_old_pods_is_no_cause() -> None:
    status = {**COMPLETE, "availableReplicas": 0}
    bad = pod("bad", owner="rs1", state="waiting")
    assert ready(view(deployment(status), replica_set(1), replica_set(2), bad)).cause is None


@pytest.mark.parametrize(
    ("seen", "state", "reached"),
    [
        (view(None), State.DONE, ("object_gone", "pods_gone")),
        (view(deployment(COMPLETE, uid="other")), State.DONE, ("object_gone", "pods_gone")),
        (view(None, pod("a")), State.PENDING, ("object_gone",)),
        (view(deployment(COMPLETE)), State.PENDING, ("pods_gone",)),
        (view(deployment(COMPLETE), pod("a")), State.PENDING, ()),
        (view(None, settled=False), State.PENDING, ("pods_gone",)),
    ],
)
def test_gone(seen: View, state: State, reached: tuple[str, ...]) -> None:
    verdict = gone(seen)
    assert (verdict.state, verdict.reached) == (state, reached)


def test_what_holds_a_deletion_is_named() -> None:
    held = pod("a", uid="a", finalizers=["example.org/hold"])
    held["spec"] = {"nodeName": "node2"}
    verdict = gone(view(None, held))
    assert verdict.summary == "still there: pod a (finalizers example.org/hold; on node node2)"
    assert verdict.cause
    assert (verdict.cause.code, verdict.cause.summary) == ("finalizer", "pod a is held by finalizer example.org/hold")


@pytest.mark.parametrize(
    ("now", "summary"), [(29, "its pods are ending"), (30, "its pods do not end within their 30 s")]
)
def test_pod_that_outlives_its_grace_period_is_stuck(now: float, summary: str) -> None:
    stuck = pod("a", uid="a", deletionTimestamp="2026-01-01T00:00:30Z", deletionGracePeriodSeconds=30)
    stuck["spec"] = {"nodeName": "node2"}
    node = {"metadata": {"name": "node2"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    seen = replace(view(None, stuck), now=now, since={("a", "stuck"): 0.0}, evidence=Evidence(nodes=[node]))
    cause = gone(seen).cause
    assert cause
    assert (cause.code, cause.summary) == ("pod_stuck_terminating", summary)
    assert cause.evidence[1].startswith("node node2 is not ready")


def test_pod_that_nobody_has_told_to_go_yet_has_its_grace_period_before_it() -> None:
    waiting = {**pod("a", uid="a"), "spec": {"nodeName": "node2", "terminationGracePeriodSeconds": 30}}
    verdict = gone(view(None, waiting))
    assert (verdict.asks, verdict.due) == (frozenset(), 30.0)
    assert verdict.cause
    assert verdict.cause.summary == "its pods are ending"


def test_namespace_tells_what_is_left_in_it() -> None:
    left = {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "example.org/hold in 1 instances"}
    obj = {"kind": "Namespace", "metadata": {"name": "demo", "uid": "d"}, "status": {"conditions": [left]}}
    cause = gone(view(obj)).cause
    assert cause
    assert (cause.code, cause.evidence) == ("finalizer", ("example.org/hold in 1 instances",))


OBSERVED = {"observedGeneration": 2}
MANY = {**OBSERVED, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
EVERYWHERE = {**OBSERVED, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}
BALANCED = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}


ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}


def partition(number: int) -> Object:
    return {"updateStrategy": {"rollingUpdate": {"partition": number}}}


def conditions(**values: str) -> Object:
    return {"conditions": [{"type": kind, "status": status, "reason": "R"} for kind, status in values.items()]}


def judged(api_version: str, kind: str, spec: Object, status: Object, *descendants: Object) -> Verdict:
    resource = Resource(api_version, kind, "things")
    obj = {"kind": kind, "metadata": {"name": "demo", "uid": "d"}, "spec": spec, "status": status}
    return ready(View(Target(resource, "n", "demo", uid="d", generation=2, revision=10), obj, True, descendants))


@pytest.mark.parametrize(
    ("api_version", "kind", "spec", "status", "state", "summary"),
    [
        ("apps/v1", "StatefulSet", {"replicas": 3}, MANY, State.DONE, "3 of 3 replicas"),
        ("apps/v1", "StatefulSet", {"replicas": 3}, {**MANY, "availableReplicas": 2}, State.PENDING, "2 of 3 replicas"),
        ("apps/v1", "StatefulSet", {"replicas": 3}, {**MANY, "observedGeneration": 1}, State.PENDING, "not seen"),
        ("apps/v1", "StatefulSet", {"replicas": 3}, {**MANY, "updatedReplicas": 1}, State.PENDING, "2 old ones left"),
        ("apps/v1", "StatefulSet", {"replicas": 2}, MANY, State.PENDING, "2 of 2 replicas"),
        ("apps/v1", "DaemonSet", {}, EVERYWHERE, State.DONE, "3 of 3 nodes"),
        ("apps/v1", "DaemonSet", {}, OBSERVED, State.DONE, "0 of 0 nodes"),
        ("apps/v1", "DaemonSet", {}, {}, State.PENDING, "not seen"),
        ("apps/v1", "DaemonSet", {}, {**EVERYWHERE, "numberAvailable": 2}, State.PENDING, "available on 2 of 3"),
        ("apps/v1", "DaemonSet", {}, {**EVERYWHERE, "updatedNumberScheduled": 1}, State.PENDING, "updated on 1"),
        (
            "apps/v1",
            "StatefulSet",
            {"replicas": 3, **partition(1)},
            {**MANY, "updatedReplicas": 2},
            State.DONE,
            "3 of 3",
        ),
        (
            "apps/v1",
            "StatefulSet",
            {"replicas": 3, **partition(1)},
            {**MANY, "updatedReplicas": 1},
            State.PENDING,
            "3 of 3",
        ),
        ("apps/v1", "StatefulSet", {"replicas": 3, **ON_DELETE}, {**MANY, "updatedReplicas": 0}, State.DONE, "3 of 3"),
        ("apps/v1", "DaemonSet", ON_DELETE, {**EVERYWHERE, "updatedNumberScheduled": 0}, State.DONE, "3 of 3 nodes"),
        ("apps/v1", "ReplicaSet", {"replicas": 3}, MANY, State.DONE, "3 of 3 replicas"),
        ("apps/v1", "ReplicaSet", {"replicas": 3}, {**MANY, "availableReplicas": 2}, State.PENDING, "2 of 3"),
        ("apps/v1", "ReplicaSet", {"replicas": 2}, MANY, State.PENDING, "2 of 2"),
        ("apps/v1", "ReplicaSet", {"replicas": 3}, {**MANY, "observedGeneration": 1}, State.PENDING, "not seen"),
        ("batch/v1", "Job", {"suspend": True}, {}, State.FAILED, "is paused"),
        ("batch/v1", "CronJob", {"schedule": "@daily"}, {}, State.DONE, "scheduled: @daily"),
        ("batch/v1", "CronJob", {"schedule": "@daily", "suspend": True}, {}, State.DONE, "suspended"),
        ("networking.k8s.io/v1", "Ingress", {}, BALANCED, State.DONE, "reachable"),
        ("networking.k8s.io/v1", "Ingress", {}, {"loadBalancer": {}}, State.PENDING, "no address"),
        ("autoscaling/v2", "HorizontalPodAutoscaler", {}, {}, State.PENDING, "not able to scale"),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            {},
            {"desiredReplicas": 2, **conditions(AbleToScale="True", ScalingActive="True")},
            State.DONE,
            "to 2 now",
        ),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            {},
            conditions(AbleToScale="True", ScalingActive="False"),
            State.PENDING,
            "not able to scale",
        ),
        ("policy/v1", "PodDisruptionBudget", {}, {}, State.PENDING, "not seen"),
        (
            "policy/v1",
            "PodDisruptionBudget",
            {},
            {**OBSERVED, "currentHealthy": 2, "desiredHealthy": 2},
            State.DONE,
            "2 of 2 pods healthy",
        ),
        (
            "policy/v1",
            "PodDisruptionBudget",
            {},
            {**OBSERVED, "currentHealthy": 1, "desiredHealthy": 2},
            State.PENDING,
            "1 of 2 pods healthy",
        ),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            {},
            conditions(NamesAccepted="False"),
            State.FAILED,
            "not served: R",
        ),
        ("v1", "Pod", {}, {}, State.PENDING, "Pending, not ready"),
        ("batch/v1", "Job", {}, conditions(Complete="True"), State.DONE, "complete"),
        ("batch/v1", "Job", {}, {"active": 1}, State.PENDING, "0 pods have succeeded"),
        ("batch/v1", "Job", {}, conditions(Failed="True"), State.FAILED, "has failed: R"),
        ("v1", "Pod", {}, {"phase": "Running", **conditions(Ready="True")}, State.DONE, "Running"),
        ("v1", "Pod", {}, {"phase": "Running", **conditions(Ready="False")}, State.PENDING, "not ready"),
        ("v1", "Pod", {}, {"phase": "Succeeded"}, State.DONE, "Succeeded"),
        ("v1", "Pod", {}, {"phase": "Failed", "reason": "Evicted"}, State.FAILED, "Evicted"),
        ("v1", "PersistentVolumeClaim", {}, {"phase": "Bound"}, State.DONE, "bound"),
        ("v1", "PersistentVolumeClaim", {}, {"phase": "Pending"}, State.PENDING, "Pending"),
        ("v1", "Service", {"type": "ClusterIP"}, {}, State.DONE, "reachable"),
        ("v1", "Service", {"type": "LoadBalancer"}, BALANCED, State.DONE, "reachable"),
        ("v1", "Service", {"type": "LoadBalancer"}, {"loadBalancer": {}}, State.PENDING, "no address"),
        ("v1", "Namespace", {}, {"phase": "Active"}, State.DONE, "Active"),
        ("v1", "Namespace", {}, {}, State.PENDING, "is new"),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            {},
            conditions(Established="True"),
            State.DONE,
            "Established",
        ),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, {}, State.PENDING, "not Established"),
        ("apiregistration.k8s.io/v1", "APIService", {}, conditions(Available="True"), State.DONE, "Available"),
        (
            "apiregistration.k8s.io/v1",
            "APIService",
            {},
            conditions(Available="False"),
            State.PENDING,
            "not Available",
        ),
        ("example.org/v1", "Thing", {}, {}, State.DONE, "accepted"),
        ("example.org/v1", "Thing", {}, conditions(Ready="True"), State.DONE, "Ready"),
        ("example.org/v1", "Thing", {}, conditions(Ready="False"), State.PENDING, "not Ready"),
        ("example.org/v1", "Thing", {}, {"observedGeneration": "1"}, State.PENDING, "not seen"),
        ("example.org/v1", "Thing", {}, {"observedGeneration": "2"}, State.DONE, "accepted"),
        ("example.org/v1", "Thing", {}, conditions(Reconciling="True"), State.PENDING, "reconciling"),
        ("example.org/v1", "Thing", {}, conditions(Stalled="True", Ready="True"), State.FAILED, "stalled"),
        ("serving.example.org/v1", "Service", {"type": "LoadBalancer"}, {}, State.DONE, "accepted"),
    ],
)
def test_rule(api_version: str, kind: str, spec: Object, status: Object, state: State, summary: str) -> None:
    verdict = judged(api_version, kind, spec, status)
    assert verdict.state is state
    assert summary in verdict.summary
    assert verdict.reached == (("available",) if state is State.DONE else ())


def test_pods_of_an_older_revision_are_no_cause() -> None:
    old, new = (
        pod(name, owner="d", state="waiting", labels={"controller-revision-hash": name}) for name in ("old", "new")
    )
    status = {**MANY, "availableReplicas": 0, "updateRevision": "new"}
    cause = judged("apps/v1", "StatefulSet", {"replicas": 3}, status, old, new).cause
    assert cause
    assert cause.evidence[0] == "pod new, container main"


def test_pods_of_a_stateful_set_that_the_change_may_mend_are_no_cause() -> None:
    old = pod("old", owner="d", state="waiting", labels={"controller-revision-hash": "old"})
    status = {**MANY, "observedGeneration": 1, "availableReplicas": 0, "updateRevision": "old"}
    assert judged("apps/v1", "StatefulSet", {"replicas": 3}, status, old).cause is None


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (DEPLOYMENT, True),
        (Resource("v1", "ConfigMap", "configmaps"), False),
        (Resource("rbac.authorization.k8s.io/v1", "Role", "roles"), False),
        (Resource("example.org/v1", "Thing", "things"), True),
    ],
)
def test_what_takes_time(resource: Resource, expected: bool) -> None:
    assert takes_time(resource) is expected


PHASE: Object = {"kind": "Thing", "metadata": {"name": "demo", "uid": "d"}, "status": {"phase": "Up", "replicas": 2}}
UP, BIG = Expression(".status.phase", "==", "Up"), Expression(".status.replicas", ">", 2)


@pytest.mark.parametrize(
    ("wanted", "unwanted", "status", "state", "summary"),
    [
        ([UP], [], {}, State.DONE, "as wanted"),
        ([UP, BIG], [], {}, State.PENDING, ".status.replicas is 2, wanted > 2"),
        ([UP], [UP], {}, State.FAILED, "has failed: .status.phase == Up"),
        ([UP], [], {"observedGeneration": 1}, State.PENDING, "not seen"),
        ([], [BIG], {}, State.DONE, "accepted"),
    ],
)
def test_caller_says_when_a_resource_is_ready(
    wanted: list[Expression], unwanted: list[Expression], status: Object, state: State, summary: str
) -> None:
    target = Target(Resource("example.org/v1", "Thing", "things"), "n", "demo", uid="d", generation=2, revision=10)
    obj = {**PHASE, "status": {**PHASE["status"], **status}}
    verdict = ready_when(wanted, unwanted)(View(target, obj, True))
    assert verdict.state is state
    assert summary in verdict.summary


@pytest.mark.parametrize(
    ("has_status", "status", "seconds", "state"),
    [
        (True, {}, 0.0, State.PENDING),
        (True, {}, 1.9, State.PENDING),
        (True, {}, 2.0, State.DONE),
        (True, {"phase": "Up"}, 0.0, State.DONE),
        (False, {}, 0.0, State.DONE),
    ],
)
def test_controller_has_a_moment_to_say_something(
    has_status: bool, status: Object, seconds: float, state: State
) -> None:
    resource = Resource("example.org/v1", "Thing", "things", has_status=has_status)
    obj = {"kind": "Thing", "metadata": {"name": "demo", "uid": "d"}, "status": status}
    view = View(Target(resource, "n", "demo", uid="d", revision=10), obj, True)
    assert ready(replace(view, now=seconds, since=ready(view).since)).state is state


@pytest.mark.parametrize(("seen", "state"), [(1, State.PENDING), (2, State.DONE)])
def test_condition_may_be_of_an_older_generation(seen: int, state: State) -> None:
    status = {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": seen}]}
    assert judged("example.org/v1", "Thing", {}, status).state is state


def test_kind_without_a_rule_is_told() -> None:
    assert "Nothing tells when a Thing is ready" in judged("example.org/v1", "Thing", {}, {}).warning


LOCAL = {"storageClassName": "local"}


@pytest.mark.parametrize(
    ("classes", "state", "code"),
    [
        ({}, State.PENDING, "volume_pending"),
        ({"local": None}, State.PENDING, "volume_pending"),
        ({"local": {"volumeBindingMode": "Immediate"}}, State.PENDING, "volume_pending"),
        ({"local": {"volumeBindingMode": "WaitForFirstConsumer"}}, State.DONE, None),
    ],
)
def test_claim_depends_on_its_class(classes: dict[str, Object | None], state: State, code: str | None) -> None:
    target = Target(Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"), "n", "demo", uid="d")
    obj = {"metadata": {"name": "demo", "uid": "d"}, "spec": LOCAL, "status": {"phase": "Pending"}}
    verdict = ready(View(target, obj, True, evidence=Evidence(classes=classes)))
    assert (verdict.state, verdict.cause and verdict.cause.code) == (state, code)


@pytest.mark.parametrize(("old", "recoverable"), [(0, False), (1, True)])
def test_quota_is_hopeless_only_where_no_old_pods_will_make_room(old: int, recoverable: bool) -> None:
    newest = replica_set(2)
    newest["status"] = {
        "conditions": [{"type": "ReplicaFailure", "status": "True", "message": "forbidden: exceeded quota: q, used"}]
    }
    status = {**COMPLETE, "updatedReplicas": 0, "replicas": old, "availableReplicas": old}
    cause = ready(view(deployment(status), newest)).cause
    assert cause
    assert (cause.code, cause.recoverable) == ("quota_exceeded", recoverable)


def test_failure_of_an_old_replica_set_is_no_cause() -> None:
    failing = replica_set(1)
    failing["status"] = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q,"}]}
    assert ready(view(deployment({**COMPLETE, "availableReplicas": 0}), failing, replica_set(2))).cause is None


def test_events_of_others_are_no_evidence() -> None:
    said = [{"message": uid, "reason": "R", "involvedObject": {"uid": uid}} for uid in ("d", "other")]
    target = Target(Resource("networking.k8s.io/v1", "Ingress", "ingresses"), "n", "demo", uid="d")
    obj: Object = {"metadata": {"name": "demo", "uid": "d"}, "spec": {}}
    cause = ready(View(target, obj, True, evidence=Evidence(events=said))).cause
    assert cause
    assert cause.evidence == ("event R: d",)
