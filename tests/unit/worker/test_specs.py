"""Tests of what callers ask for as what Kubernetes keeps, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from slipway.v1 import clusters_pb2 as pb
from slipway_worker import specs
from slipway_worker.settings import Settings

from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Cause
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import MANAGED_BY

SETTINGS = Settings(
    namespaces=("clusters",),
    image="pause:1",
    node_selector={"slipway.dev/clusters": "allowed"},
    max_replicas=100,
    max_deadline=900.0,
    listen="",
    health_listen="",
    metrics_port=0,
    tls_dir=Path(),
    tokens_file=None,
    drain=20.0,
    inactivity=70.0,
    threads=16,
)
SPEC = pb.ClusterSpec(
    image="app:1",
    replicas=3,
    command=["/app"],
    args=["-v"],
    env={"B": "2", "A": "1"},
    resources=pb.Resources(requests={"cpu": "10m"}),
    labels={"team": "blue"},
)


def request(**fields: Any) -> pb.CreateClusterRequest:
    return pb.CreateClusterRequest(**{"name": "demo", "spec": SPEC, **fields})


def wanted(asked: pb.CreateClusterRequest) -> specs.Wanted:
    return specs.wanted(asked, "clusters", asked.request_id, "driver", SETTINGS)


def kept(asked: pb.CreateClusterRequest) -> dict[str, Any]:
    """The Deployment as the API server returns it."""
    obj = wanted(asked).manifest()
    obj["metadata"] |= {"uid": "u", "creationTimestamp": "2026-11-29T01:02:03Z"}
    return obj


def test_deployment_carries_what_tells_requests_apart() -> None:
    made = wanted(request(request_id="r"))
    annotations = made.manifest()["metadata"]["annotations"]
    assert annotations == {
        "slipway.dev/request-id": "r",
        "slipway.dev/spec-sha256": made.spec_hash,
        "slipway.dev/owner": "driver",
    }


def test_what_is_left_out_is_the_workers() -> None:
    pod = wanted(pb.CreateClusterRequest(name="demo")).manifest()["spec"]["template"]["spec"]
    assert pod == {
        "nodeSelector": {"slipway.dev/clusters": "allowed"},
        "containers": [{"name": "demo", "image": "pause:1"}],
    }


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"replicas": 7}, True),
        ({"image": "app:2"}, False),
        ({"command": ["/other"]}, False),
        ({"command": [], "args": ["/app", "-v"]}, False),
        ({"args": []}, False),
        ({"env": {"A": "1", "B": "2"}}, True),
        ({"env": {"A": "1"}}, False),
        ({"resources": pb.Resources(limits={"cpu": "10m"})}, False),
        ({"labels": {"team": "red"}}, False),
    ],
)
def test_hash_is_of_the_spec_without_its_replicas(fields: dict[str, Any], same: bool) -> None:
    other = pb.ClusterSpec()
    other.CopyFrom(SPEC)
    for name in fields:
        other.ClearField(name)
    other.MergeFrom(pb.ClusterSpec(**fields))
    assert (wanted(request()).spec_hash == wanted(request(spec=other)).spec_hash) is same


def test_default_image_is_as_good_as_none() -> None:
    named, unnamed = (wanted(request(spec=pb.ClusterSpec(image=image))).spec_hash for image in ("pause:1", ""))
    assert named == unnamed


@pytest.mark.parametrize("spec", [SPEC, pb.ClusterSpec(), pb.ClusterSpec(replicas=1, labels={"a": ""})], ids=str)
def test_spec_comes_back_as_it_was_asked_for(spec: pb.ClusterSpec) -> None:
    found = specs.message(kept(request(spec=spec)), pb.RUNNING, default_image="pause:1")
    assert found.spec == spec


def test_message() -> None:
    obj = {**kept(request()), "status": {"availableReplicas": 2}}
    cause = Cause("unschedulable", "no node takes its pods", ("line",), hint="add some")
    found = specs.message(obj, pb.CREATE_IN_PROGRESS, cause)
    shown = (found.name, found.namespace, found.uid, found.owner, found.available_replicas)
    assert shown == ("demo", "clusters", "u", "driver", 2)
    assert found.create_time.ToJsonString() == "2026-11-29T01:02:03Z"
    assert found.cause == pb.Cause(
        code="unschedulable", summary="no node takes its pods", evidence=["line"], recoverable=True, hint="add some"
    )


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, []),
        ({"name": "Demo"}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"spec": pb.ClusterSpec(replicas=-1)}, ["spec.replicas"]),
        ({"spec": pb.ClusterSpec(replicas=101)}, ["spec.replicas"]),
        ({"spec": pb.ClusterSpec(replicas=100)}, []),
        ({"spec": pb.ClusterSpec(image="a b")}, ["spec.image"]),
        ({"spec": pb.ClusterSpec(labels={"app.kubernetes.io/name": "x"})}, ["spec.labels"]),
        ({"spec": pb.ClusterSpec(env={"A=B": ""})}, ["spec.env"]),
        ({"spec": pb.ClusterSpec(resources=pb.Resources(limits={"cpu": "much"}))}, ["spec.resources"]),
        ({"spec": pb.ClusterSpec(args=["x" * specs.MOST_BYTES])}, ["spec"]),
        ({"request_id": "x" * 129}, ["request_id"]),
        ({"request_id": "line\nbreak"}, ["request_id"]),
        ({"name": "-", "spec": pb.ClusterSpec(image=" ", replicas=-1)}, ["name", "spec.image", "spec.replicas"]),
    ],
)
def test_everything_that_is_wrong_has_its_field(fields: dict[str, Any], wrong: list[str]) -> None:
    asked = request(**fields)
    assert [field for field, _ in specs.create_violations(asked, wanted(asked).cluster, SETTINGS)] == wrong


@pytest.mark.parametrize(("replicas", "wrong"), [(-1, ["replicas"]), (0, []), (100, []), (101, ["replicas"])])
def test_scale_to(replicas: int, wrong: list[str]) -> None:
    asked = pb.ScaleClusterRequest(name="demo", replicas=replicas)
    assert [field for field, _ in specs.scale_violations(asked, SETTINGS)] == wrong


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"labels": {MANAGED_BY: "slipway"}, "annotations": {specs.SPEC_HASH: "x"}}, True),
        ({"labels": {MANAGED_BY: "slipway"}}, False),
        ({"labels": {MANAGED_BY: "helm"}, "annotations": {specs.SPEC_HASH: "x"}}, False),
        ({"annotations": {specs.SPEC_HASH: "x"}}, False),
    ],
)
def test_whose_an_object_is(meta: dict[str, Any], expected: bool) -> None:
    assert specs.is_cluster({"metadata": meta}) is expected
