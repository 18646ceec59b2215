"""The stand-in does what the real operator was seen to do: a row each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.seldon_stand_in import NO_ENGINE, STUCK, deployments_of, services_of, status_of

Object = dict[str, Any]
PROBE = {"exec": {"command": ["true"]}}


def seldon(*, annotations: dict[str, str] | None = None, component: Object | None = None, **spec: Any) -> Object:
    pod = {"containers": [{"name": "classifier", "image": "i"}]}
    predictor = {"name": "p", "componentSpecs": [{"spec": pod, **(component or {})}], **spec.pop("predictor", {})}
    meta = {"name": "demo", "namespace": "n", "uid": "u", "annotations": annotations or {}}
    return {"metadata": meta, "spec": {"predictors": [predictor], **spec}}


@pytest.mark.parametrize(
    ("obj", "replicas"),
    [
        (seldon(predictor={"replicas": 1}), 1),
        (seldon(predictor={"replicas": 1}, replicas=2), 1),
        (seldon(replicas=2), 2),
        (seldon(), 1),
        (seldon(predictor={"replicas": 1}, component={"replicas": 4}, replicas=2), 4),
    ],
    ids=["predictor's", "predictor's wins", "of the whole", "none", "component's wins"],
)
def test_replicas(obj: Object, replicas: int) -> None:
    [child] = deployments_of(obj, "engine")
    assert (child["metadata"]["name"], child["spec"]["replicas"]) == ("demo-p-0-classifier", replicas)
    assert child["metadata"]["labels"] == {"seldon-deployment-id": "demo"}
    assert child["metadata"]["ownerReferences"][0]["uid"] == "u"


@pytest.mark.parametrize(
    ("annotations", "containers"),
    [({}, ["classifier", "seldon-container-engine"]), ({NO_ENGINE: "true"}, ["classifier"])],
)
def test_engine(annotations: dict[str, str], containers: list[str]) -> None:
    for obj in (seldon(annotations=annotations), {**seldon(annotations=annotations)}):
        [child] = deployments_of(obj, "engine")
        assert [each["name"] for each in child["spec"]["template"]["spec"]["containers"]] == containers


@pytest.mark.parametrize(
    ("own", "kind"), [({}, "httpGet"), ({"readinessProbe": PROBE, "livenessProbe": PROBE}, "exec")]
)
def test_probes(own: Object, kind: str) -> None:
    pod = {"containers": [{"name": "c", "image": "i", **own}]}
    [child] = deployments_of(seldon(component={"spec": pod}), "engine")
    container = child["spec"]["template"]["spec"]["containers"][0]
    assert [next(iter(container[probe])) for probe in ("readinessProbe", "livenessProbe")] == [kind, kind]


def test_service_leads_to_the_port_of_the_graph() -> None:
    [service] = services_of(seldon(predictor={"graph": {"endpoint": {"service_port": 9001}}}))
    assert service["metadata"]["name"] == "demo-p"
    assert service["spec"]["ports"] == [{"name": "http", "port": 8000, "targetPort": 9001}]


def found(wanted: int, replicas: int, available: int, progressing: str = "True") -> Object:
    conditions = [{"type": "Progressing", "status": progressing}]
    status = {"replicas": replicas, "availableReplicas": available, "conditions": conditions}
    return {"demo-p-0-classifier": {"spec": {"replicas": wanted}, "status": status}}


@pytest.mark.parametrize(
    ("children", "state"),
    [
        ({}, "Creating"),
        (found(1, 1, 1), "Available"),
        (found(2, 2, 1), "Creating"),
        (found(2, 3, 2), "Available"),
        (found(1, 1, 0, progressing="False"), "Failed"),
    ],
    ids=["no child yet", "ready", "scaled up", "rolling update", "past the deadline"],
)
def test_state(children: Object, state: str) -> None:
    status = status_of(deployments_of(seldon(), "engine"), children)
    assert (status["state"], status["description"]) == (state, STUCK if state == "Failed" else "")
    assert "observedGeneration" not in status
