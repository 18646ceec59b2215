"""Tests of what is to be done for a caller, and of how a cluster stands."""

from __future__ import annotations

from typing import Any

import pytest
from slipway.v1 import clusters_pb2 as pb
from slipway_worker import decisions, specs
from slipway_worker.decisions import Asked, Step

from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Cause
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT, MANAGED_BY
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import (
    State,
    Target,
    Verdict,
    View,
    failed,
    pending,
)

Object = dict[str, Any]
ROLLED_OUT = [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]
ROLLING_OUT = [{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}]
READY = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
HALF = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}


def deployment(
    *,
    labels: Object | None = None,
    annotations: Object | None = None,
    status: Object | None = None,
    replicas: int = 2,
    generation: int = 1,
    **meta: Any,
) -> Object:
    ours = {specs.REQUEST_ID: "first", specs.SPEC_HASH: "hash", **(annotations or {})}
    identity = {"name": "demo", "namespace": "n", "uid": "u", "generation": generation}
    labels = {MANAGED_BY: "slipway"} if labels is None else labels
    return {
        "kind": "Deployment",
        "metadata": {**identity, "labels": labels, "annotations": ours, **meta},
        "spec": {"replicas": replicas},
        "status": status or {},
    }


RUNNING, BEGUN = deployment(status=READY), deployment()
GOING = deployment(status=READY, deletionTimestamp="2026-11-29T01:02:03Z")
FOREIGN, OTHERS = deployment(labels={}), deployment(annotations={specs.SPEC_HASH: ""})


@pytest.mark.parametrize(
    ("current", "asked", "step"),
    [
        (None, {}, Step.MAKE),
        (None, {"wait": False}, Step.MAKE),
        (FOREIGN, {}, Step.REFUSE),
        (FOREIGN, {"request_id": "first"}, Step.REFUSE),
        (OTHERS, {}, Step.REFUSE),
        (GOING, {}, Step.OUTLIVE),
        (GOING, {"request_id": "first"}, Step.OUTLIVE),
        (GOING, {"spec_hash": "other"}, Step.OUTLIVE),
        (deployment(labels={}, deletionTimestamp="2026-11-29T01:02:03Z"), {}, Step.REFUSE),
        (BEGUN, {"request_id": "first"}, Step.CONTINUE),
        (BEGUN, {"request_id": "first", "wait": False}, Step.CONTINUE),
        (BEGUN, {"request_id": "first", "replicas": 3}, Step.CONTINUE),
        (RUNNING, {"request_id": "first"}, Step.CONTINUE),
        (deployment(annotations={specs.REQUEST_ID: ""}), {"request_id": ""}, Step.SHOW),
        (BEGUN, {}, Step.SHOW),
        (BEGUN, {"join": True}, Step.JOIN),
        (BEGUN, {"join": True, "wait": False}, Step.SHOW),
        (RUNNING, {}, Step.SHOW),
        (RUNNING, {"join": True}, Step.SHOW),
        (RUNNING, {"replicas": 3}, Step.DIFFER),
        (RUNNING, {"spec_hash": "other"}, Step.DIFFER),
        (BEGUN, {"spec_hash": "other", "join": True}, Step.DIFFER),
        (deployment(status=HALF), {"join": True}, Step.JOIN),
    ],
)
def test_step(current: Object | None, asked: dict[str, Any], step: Step) -> None:
    defaults: dict[str, Any] = {"request_id": "second", "spec_hash": "hash", "replicas": 2}
    assert decisions.step(current, Asked(**{**defaults, **asked})) is step


LASTING, PASSING = (Cause("a", "b", recoverable=recoverable) for recoverable in (False, True))
HOPELESS, SLOW = (Verdict(State.PENDING, "", cause=cause) for cause in (LASTING, PASSING))


@pytest.mark.parametrize(
    ("obj", "verdict", "state"),
    [
        (BEGUN, None, pb.CREATE_IN_PROGRESS),
        (BEGUN, pending("not seen yet"), pb.CREATE_IN_PROGRESS),
        (BEGUN, SLOW, pb.CREATE_IN_PROGRESS),
        (BEGUN, HOPELESS, pb.FAILED),
        (BEGUN, failed(PASSING), pb.FAILED),
        (RUNNING, None, pb.RUNNING),
        (RUNNING, HOPELESS, pb.RUNNING),
        (GOING, None, pb.DELETE_IN_PROGRESS),
        (GOING, HOPELESS, pb.DELETE_IN_PROGRESS),
        (deployment(status=HALF), None, pb.CREATE_IN_PROGRESS),
        (deployment(status={**HALF, "conditions": ROLLING_OUT}), None, pb.CREATE_IN_PROGRESS),
        (deployment(status={**HALF, "conditions": ROLLED_OUT}), None, pb.UPDATE_IN_PROGRESS),
        (deployment(status={**HALF, "conditions": ROLLED_OUT}), HOPELESS, pb.FAILED),
        # Scaled, and its controller has not seen that yet.
        (deployment(status={**READY, "conditions": ROLLED_OUT}, generation=2), None, pb.UPDATE_IN_PROGRESS),
        (deployment(status={**READY, "conditions": ROLLED_OUT}, generation=2, replicas=1), None, pb.UPDATE_IN_PROGRESS),
        (deployment(status={**READY, "conditions": ROLLING_OUT}, generation=2), None, pb.CREATE_IN_PROGRESS),
        # Rolled out anew, by whomever.
        (
            deployment(
                status={**HALF, "conditions": ROLLING_OUT}, annotations={"deployment.kubernetes.io/revision": "2"}
            ),
            None,
            pb.UPDATE_IN_PROGRESS,
        ),
        (
            deployment(
                status={**HALF, "conditions": ROLLING_OUT}, annotations={"deployment.kubernetes.io/revision": "1"}
            ),
            None,
            pb.CREATE_IN_PROGRESS,
        ),
        (deployment(replicas=0), None, pb.RUNNING),
        (deployment(replicas=0, status=READY, generation=2), None, pb.CREATE_IN_PROGRESS),
        (deployment(status=READY, spec={}), None, pb.RUNNING),
    ],
)
def test_state(obj: Object, verdict: Verdict | None, state: int) -> None:
    assert decisions.state_of(obj, verdict) == state


@pytest.mark.parametrize(
    ("obj", "code", "recoverable", "doomed"),
    [
        (BEGUN, "image_not_found", False, True),
        (BEGUN, "crash_loop", True, False),
        (BEGUN, "deleted_by_other", False, False),
        (BEGUN, "paused", False, False),
        (deployment(status={**HALF, "conditions": ROLLED_OUT}), "image_not_found", False, False),
        (deployment(status={**HALF, "conditions": ROLLING_OUT}), "image_not_found", False, True),
    ],
)
def test_what_is_taken_back(obj: Object, code: str, recoverable: bool, doomed: bool) -> None:
    assert decisions.is_doomed(obj, Cause(code, "", recoverable=recoverable)) is doomed


def view(obj: Object | None, *, descendants: tuple[Object, ...] = (), settled: bool = True) -> View:
    return View(Target(DEPLOYMENT, "n", "demo", "u", 1, 1), obj, settled=settled, descendants=descendants)


POD = {"kind": "Pod", "metadata": {"name": "p", "uid": "p"}}


@pytest.mark.parametrize(
    ("given", "verdict", "state"),
    [
        (view(BEGUN), State.PENDING, pb.CREATE_IN_PROGRESS),
        (view(RUNNING), State.DONE, pb.RUNNING),
        (view(GOING, descendants=(POD,)), State.PENDING, pb.DELETE_IN_PROGRESS),
        (view(None, descendants=(POD,)), State.PENDING, pb.DELETE_IN_PROGRESS),
        (view(None), State.DONE, pb.DELETED),
        (view(deployment(uid="another")), State.DONE, pb.DELETED),
        (view(deployment(uid="another"), descendants=(POD,)), State.PENDING, pb.DELETE_IN_PROGRESS),
    ],
)
def test_whole_life(given: View, verdict: State, state: int) -> None:
    found = decisions.standing(given)
    assert (found.state, decisions.state_in(given, found)) == (verdict, state)


@pytest.mark.parametrize(
    ("given", "state", "code"),
    [
        (view(RUNNING), State.DONE, None),
        (view(BEGUN), State.PENDING, None),
        (view(deployment(status=READY, replicas=3)), State.FAILED, "conflict"),
        (view(deployment(status=READY, replicas=3), settled=False), State.PENDING, None),
        (view(None), State.FAILED, "deleted_by_other"),
        (view(GOING), State.FAILED, "deleted_by_other"),
    ],
)
def test_exactly_so_many(given: View, state: State, code: str | None) -> None:
    found = decisions.available_with(2)(given)
    assert (found.state, found.cause and found.cause.code) == (state, code)


@pytest.mark.parametrize(
    ("obj", "state"), [(None, State.PENDING), (FOREIGN, State.PENDING), (BEGUN, State.DONE), (GOING, State.DONE)]
)
def test_appeared(obj: Object | None, state: State) -> None:
    assert decisions.appeared(view(obj)).state is state


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, {}),
        ({"requests": {"cpu": "500m"}}, {"requests.cpu": 0.5, "cpu": 0.5}),
        (
            {"limits": {"memory": "1Ki"}},
            {"requests.memory": 1024.0, "memory": 1024.0, "limits.memory": 1024.0},
        ),
        (
            {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
            {"requests.cpu": 1.0, "cpu": 1.0, "limits.cpu": 2.0},
        ),
        ({"requests": {"example.org/gpu": "1"}}, {"requests.example.org/gpu": 1.0}),
    ],
)
def test_needs(resources: Object, expected: dict[str, float]) -> None:
    assert decisions.needs(resources) == {"pods": 1.0, "count/pods": 1.0, **expected}


def quota(hard: Object, used: Object | None = None, **spec: Any) -> Object:
    status = {} if used is None else {"hard": hard, "used": used}
    return {"metadata": {"name": "q", "namespace": "n", "uid": "u"}, "spec": {"hard": hard, **spec}, "status": status}


@pytest.mark.parametrize(
    ("given", "pods", "used", "lacking"),
    [
        (quota({"pods": "5"}, {"pods": "0"}), 5, True, []),
        (quota({"pods": "5"}, {"pods": "1"}), 5, True, ["pods: 5 more are asked for, and 1 of 5 are used"]),
        (quota({"pods": "5"}, {"pods": "1"}), 5, False, []),
        (quota({"pods": "5"}, {"pods": "1"}), 6, False, ["pods: 6 more are asked for, and 0 of 5 are used"]),
        (quota({"pods": "5"}), 6, True, ["pods: 6 more are asked for, and 0 of 5 are used"]),
        (quota({"cpu": "1"}, {"cpu": "600m"}), 1, True, ["cpu: 0.5 more are asked for, and 600m of 1 are used"]),
        (quota({"requests.memory": "1Gi"}, {"requests.memory": "1Gi"}), 9, True, []),
        (quota({"services": "0"}, {"services": "0"}), 9, True, []),
        (quota({"pods": "1"}, {"pods": "1"}, scopes=["BestEffort"]), 9, True, []),
        (quota({"pods": "1"}, {"pods": "1"}, scopeSelector={"matchExpressions": []}), 9, True, []),
    ],
)
def test_room(given: Object, pods: int, used: bool, lacking: list[str]) -> None:
    need = decisions.needs({"requests": {"cpu": "500m"}})
    assert decisions.shortages(given, pods, need, used=used) == lacking


@pytest.mark.parametrize(
    ("obj", "state"),
    [
        (quota({"pods": "5"}, {"pods": "5"}), State.PENDING),
        (quota({"pods": "5"}, {"pods": "4"}), State.DONE),
        (None, State.DONE),
    ],
)
def test_waits_for_room(obj: Object | None, state: State) -> None:
    assert decisions.has_room(1, decisions.needs({}))(view(obj)).state is state
