"""Random histories, some of them; the drill `histories` lives through many more."""

from __future__ import annotations

import random

import pytest

from tests.support.histories import run
from tests.support.model import Model, is_ready

HISTORIES = 500


def test_no_verdict_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.SystemRandom().getrandbits(32)
    with capsys.disabled():
        print(f"tests.support.histories.run({HISTORIES}, {seed})")
    run(HISTORIES, seed)


@pytest.mark.parametrize(
    "steps", [[(2, 1)], [(2, 1), (3, 2)], [(3, 1), (1, 1)], [(2, 1), (2, 2), (2, 1)], [(1, 1), (0, 2)]]
)
def test_the_model_rolls_out_as_kubernetes_does(steps: list[tuple[int, int]]) -> None:
    model = Model()
    for replicas, template in steps:
        obj = model.apply("a", {"replicas": replicas, "template": template})
        model.settle()
    pods = model.of_kind("Pod")
    [newest] = [each for each in model.of_kind("ReplicaSet") if each["spec"]["template"] == template]
    assert [pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods] == [newest["metadata"]["uid"]] * replicas
    assert all(map(is_ready, pods))
    deployment = model.objects[obj["metadata"]["uid"]]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas)
    assert deployment["status"] == {"observedGeneration": len(steps), **counts}


@pytest.mark.parametrize("foreground", [True, False])
def test_the_model_deletes_as_kubernetes_does(foreground: bool) -> None:
    model = Model()
    obj = model.apply("a", {"replicas": 2, "template": 1})
    model.settle()
    model.delete(model.objects[obj["metadata"]["uid"]], foreground=foreground)
    assert (model.deployment("a") is not None, len(model.of_kind("Pod"))) == (foreground, 2)
    model.settle()
    assert model.objects == {}
