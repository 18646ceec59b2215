# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the adapters: what was seen of Seldon's operator 1.18.2, row by row, and the life of an Argo Rollout."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.readiness import ready
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Resource
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import State, Target, Verdict, View

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

SELDON = Resource("machinelearning.seldon.io/v1", "SeldonDeployment", "seldondeployments")
ROLLOUT = Resource("argoproj.io/v1alpha1", "Rollout", "rollouts")
IMAGE = "example/model:1"


def seldon(state: str = "Available", *, whole: int | None = None, at: int = 11, **predictor: t.Any) -> Object:
    component = {"spec": {"containers": [{"name": "classifier", "image": IMAGE}]}, **predictor.pop("component", {})}
    spec: Object = {"predictors": [{"name": "p", "componentSpecs": [component], **predictor}]}
    if whole is not None:
        spec["replicas"] = whole
    meta = {"name": "demo", "uid": "d", "resourceVersion": str(at)}
    return {"kind": "SeldonDeployment", "metadata": meta, "spec": spec, "status": {"state": state}}


def child(
    replicas: int,
    available: int | None = None,
    *,
    image: str = IMAGE,
    at: int = 9,
    name: str = "demo-p-0-classifier",
    **status: t.Any,
) -> Object:
    count = replicas if available is None else available
    full = {"observedGeneration": 1, "updatedReplicas": replicas, "replicas": replicas, "availableReplicas": count}
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "uid": name, "generation": 1, "resourceVersion": str(at), "annotations": {}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "classifier", "image": image}]}}},
        "status": {**full, **status},
    }


def judged(
    obj: Object, *children: Object, now: float = 0.0, since: t.Mapping[t.Hashable, float] | None = None
) -> Verdict:
    target = Target(SELDON, "n", "demo", uid="d", generation=1, revision=10)
    return ready(View(target, obj, True, children, now=now, since=since or {}))


@pytest.mark.parametrize(
    ("obj", "children", "state", "summary"),
    [
        (seldon(replicas=1), [child(1)], State.DONE, "1 replicas available in 1 Deployments"),
        (seldon("Creating", replicas=1), [], State.PENDING, "no Deployment"),
        (seldon(replicas=1), [], State.PENDING, "no Deployment"),
        (seldon(replicas=1, whole=2), [child(1)], State.DONE, "1 replicas"),
        (seldon(replicas=1, whole=2), [child(2)], State.PENDING, "2 replicas declared, 1 wanted"),
        (seldon(whole=2), [child(1)], State.PENDING, "1 replicas declared, 2 wanted"),
        (seldon("Creating", whole=2), [child(2, 1)], State.PENDING, "1 of 2 replicas available"),
        (seldon(whole=2), [child(2, 1)], State.PENDING, "1 of 2 replicas available"),
        (seldon(whole=2), [child(2)], State.DONE, "2 replicas"),
        (seldon(replicas=1, component={"replicas": 3}), [child(3)], State.DONE, "3 replicas"),
        (seldon(replicas=1, component={"hpaSpec": {"minReplicas": 1}}), [child(4)], State.DONE, "4 replicas"),
        (seldon("Creating", whole=2), [child(2)], State.PENDING, "its state is Creating"),
        (seldon(whole=1), [child(1, image="example/model:0")], State.PENDING, "not updated to image example/model:1"),
        (seldon(whole=1), [child(1, observedGeneration=0)], State.PENDING, "has not seen the change yet"),
        (seldon(whole=1), [child(1), child(1, 0, name="demo-p-explainer")], State.PENDING, "demo-p-explainer: 0 of 1"),
        (seldon(whole=1), [child(1, name="seldon-0123456789abcdef")], State.DONE, "1 replicas"),
    ],
)
def test_seldon_deployment(obj: Object, children: list[Object], state: State, summary: str) -> None:
    verdict = judged(obj, *children)
    assert verdict.state is state
    assert summary in verdict.summary


@pytest.mark.parametrize(
    ("at", "child_at", "now", "state"),
    [(10, 9, 0.0, State.PENDING), (10, 9, 2.0, State.DONE), (11, 9, 0.0, State.DONE), (10, 11, 0.0, State.DONE)],
)
def test_old_status_is_not_believed_right_after_a_change(at: int, child_at: int, now: float, state: State) -> None:
    verdict = judged(seldon(whole=1, at=at), child(1, at=child_at), now=now, since={("settling",): 0.0})
    assert verdict.state is state


def test_pending_settling_is_judged_again() -> None:
    assert judged(seldon(whole=1, at=10), child(1)).due == 2.0


def test_operator_that_failed_is_the_cause() -> None:
    verdict = judged(seldon("Failed", whole=1))
    assert verdict.cause
    assert (verdict.cause.code, verdict.cause.recoverable) == ("operator_failed", False)


WHOLE = {"observedGeneration": "2", "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
SAME = {"currentPodHash": "a", "stableRS": "a"}
OTHER = {"currentPodHash": "b", "stableRS": "a"}
FOR_EVER = {"strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}}
A_WHILE = {"strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {"duration": "10s"}}]}}}
PAUSED = {"pauseConditions": [{"reason": "CanaryPauseStep"}], "currentStepIndex": 1}
LATE = {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}


@pytest.mark.parametrize(
    ("spec", "status", "state", "summary"),
    [
        ({}, {**WHOLE, **SAME}, State.DONE, "3 of 3 replicas available"),
        ({}, {**WHOLE, **SAME, "observedGeneration": "1"}, State.PENDING, "has not seen the change yet"),
        ({}, {**WHOLE, **SAME, "observedGeneration": "10"}, State.DONE, "3 of 3"),
        ({}, {}, State.PENDING, "has not seen the change yet"),
        ({}, {**WHOLE, **SAME, "availableReplicas": 2}, State.PENDING, "2 of 3 replicas"),
        ({}, {**WHOLE, **OTHER}, State.PENDING, "3 of 3 replicas"),
        (
            {},
            {**WHOLE, **OTHER, "updatedReplicas": 1, "currentStepIndex": 1},
            State.PENDING,
            "1 updated, 2 old ones left, at step 1",
        ),
        ({"paused": True}, {**WHOLE, **OTHER}, State.FAILED, "is paused"),
        (FOR_EVER, {**WHOLE, **OTHER, **PAUSED}, State.FAILED, "is paused"),
        (A_WHILE, {**WHOLE, **OTHER, **PAUSED}, State.PENDING, "at step 1"),
        (
            {},
            {**WHOLE, **OTHER, "phase": "Degraded", "message": "no progress", **LATE},
            State.FAILED,
            "is degraded: no progress",
        ),
    ],
)
def test_rollout(spec: Object, status: Object, state: State, summary: str) -> None:
    obj = {
        "kind": "Rollout",
        "metadata": {"name": "demo", "uid": "d"},
        "spec": {"replicas": 3, **spec},
        "status": status,
    }
    verdict = ready(View(Target(ROLLOUT, "n", "demo", uid="d", generation=2, revision=10), obj, True))
    assert verdict.state is state
    assert summary in verdict.summary
