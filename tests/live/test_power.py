"""The plug is pulled: of each kind of node, then of all at once; everything comes back without help."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.redis_site import Site
from tests.support.probes import Probes
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.kubernetes import Kubernetes


@pytest.fixture(scope="module")
def probes(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probes]:
    """A web server on each node."""
    probes = Probes(kubernetes, kubernetes.new_namespace(), tuple(kubernetes.addresses))
    image = kubernetes.image("slipway.local/python-base")
    probes.start(image, manifest=tmp_path_factory.mktemp("probes") / "probes.json")
    yield probes
    kubernetes.kubectl("delete", "namespace", probes.namespace, "--wait=false")


def test_probes_answer_each_other(probes: Probes) -> None:
    # A pod is ready a moment before every node's kube-proxy knows.
    eventually(lambda: probes.answer(*probes.nodes), within=10, what="pods answer")


@pytest.mark.parametrize(
    ("first", "last", "bound"),
    [(1, 2, 30), (0, 1, 30), (0, None, 60)],
    ids=["worker", "control plane", "all at once"],
)
def test_power_off_and_on(kubernetes: Kubernetes, probes: Probes, first: int, last: int | None, bound: float) -> None:
    victims = probes.nodes[first:last]
    before = kubernetes.restarts()
    kubernetes.machines(*victims, vm_state="poweroff")
    power_on = time.time()
    kubernetes.machines(*victims, vm_state="started")
    eventually(lambda: probes.answer(*victims, since=power_on), within=2 * bound, what="pods answer")
    assert time.time() - power_on <= bound

    def heard() -> bool:
        late = unheard(before, kubernetes.restarts(), victims)
        assert not late, f"nothing new of {', '.join(late)}"
        return True

    eventually(heard, within=90, what="every kubelet tells of its pods")
    kubernetes.settle()
    Site(kubernetes).settled()
    assert crashes(before, kubernetes.restarts(), victims) == []


def unheard(before: dict[str, int], after: dict[str, int], victims: tuple[str, ...]) -> list[str]:
    """The containers whose node has not told yet that they were ended: until then they count as ready."""
    return [name for name, count in before.items() if name.split("/")[1] in victims and after.get(name) == count]


def crashes(before: dict[str, int], after: dict[str, int], victims: tuple[str, ...]) -> list[str]:
    """The containers that ended more often than their node's power did.

    A power cut ends every container of its node once, and the kubelet counts that as one restart; each further one,
    and each on another node, is a crash.
    """
    return [
        f"{container}: {before.get(container, 0)} -> {count} restarts"
        for container, count in after.items()
        if count > before.get(container, 0) + (container.split("/")[1] in victims)
    ]
