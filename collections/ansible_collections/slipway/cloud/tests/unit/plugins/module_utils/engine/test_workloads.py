# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of which fields scale and restart a workload."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.workloads import (
    replica_places,
    replicas_of,
    restarted,
    takes,
    with_replicas,
)

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

SPEC = "/spec/replicas"
P0, P1 = "/spec/predictors/0/replicas", "/spec/predictors/1/replicas"


def obj(version: str, kind: str, **spec: t.Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": spec}


def seldon(*predictors: Object, **spec: t.Any) -> Object:
    return obj("machinelearning.seldon.io/v1", "SeldonDeployment", predictors=list(predictors), **spec)


# Where a SeldonDeployment has its number: seen with the operator 1.18.2.
PLACES = {
    "Deployment": (obj("apps/v1", "Deployment"), [SPEC]),
    "Rollout": (obj("argoproj.io/v1alpha1", "Rollout", replicas=1), [SPEC]),
    "predictor's own": (seldon({"replicas": 1}), [P0]),
    "predictor's own, and one of the whole that does nothing": (seldon({"replicas": 1}, replicas=2), [P0]),
    "of the whole": (seldon({}, replicas=1), [SPEC]),
    "none yet": (seldon({}), [SPEC]),
    "no predictor": (seldon(), [SPEC]),
    "two predictors": (seldon({"replicas": 1}, {"replicas": 3}), [P0, P1]),
    "one of two inherits": (seldon({"replicas": 1}, {}), [P0, SPEC]),
    "component's own": (
        seldon({"replicas": 1, "componentSpecs": [{"replicas": 4}]}),
        ["/spec/predictors/0/componentSpecs/0/replicas"],
    ),
    "component's own, and one that inherits": (
        seldon({"replicas": 1, "componentSpecs": [{}, {"replicas": 4}]}),
        ["/spec/predictors/0/componentSpecs/1/replicas", P0],
    ),
}


@pytest.mark.parametrize(
    ("version", "kind", "operations"),
    [
        ("v1", "ConfigMap", ["create"]),
        ("v1", "Pod", ["create", "patch"]),
        ("apps/v1", "DaemonSet", ["create", "patch", "restart"]),
        ("apps/v1", "ReplicaSet", ["create", "patch", "scale"]),
        ("apps/v1", "Deployment", ["create", "patch", "restart", "scale"]),
        ("example.org/v1", "ConfigMap", ["create", "patch", "restart", "scale"]),
    ],
)
def test_operations_that_a_kind_can_be_taken_through(version: str, kind: str, operations: list[str]) -> None:
    known = ("create", "patch", "restart", "scale")
    assert [each for each in known if takes(obj(version, kind), each)] == operations


@pytest.mark.parametrize(("declared", "places"), PLACES.values(), ids=PLACES)
def test_places(declared: Object, places: list[str]) -> None:
    assert replica_places(declared) == places
    before = copy.deepcopy(declared)
    changed = with_replicas(declared, 7)
    assert replica_places(changed) == places
    assert replicas_of(changed) == 7
    assert declared == before


@pytest.mark.parametrize(
    ("declared", "replicas"),
    [(seldon({}), None), (seldon({"replicas": 2}), 2), (obj("apps/v1", "Deployment", replicas=0), 0)],
)
def test_replicas(declared: Object, replicas: int | None) -> None:
    assert replicas_of(declared) == replicas


@pytest.mark.parametrize(
    ("version", "kind", "fields"),
    [
        (
            "apps/v1",
            "StatefulSet",
            {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "T"}}}},
        ),
        ("argoproj.io/v1alpha1", "Rollout", {"restartAt": "T"}),
        (
            "machinelearning.seldon.io/v1",
            "SeldonDeployment",
            {"annotations": {"kubectl.kubernetes.io/restartedAt": "T"}},
        ),
    ],
)
def test_restarted(version: str, kind: str, fields: Object) -> None:
    assert restarted(obj(version, kind), "T") == {"spec": fields}
