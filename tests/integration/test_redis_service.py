"""The Service redis-master on a real API server: it follows the master, and no old master gets it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from slipway_redis.master_service import MasterService, Target

from tests.support.redis_set import RedisSet
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

SERVICE = "redis-master"


class Slice:
    """The EndpointSlice of the Service."""

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self._api = api
        self._path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"

    def read(self) -> Any:
        """The object, None if there is none."""
        path = f"{self._path}/{SERVICE}"
        return self._api.request("GET", path) if self._api.has(path) else None

    def shows(self) -> tuple[str, str, int]:
        """The pod, its address and the epoch."""
        found = self.read()
        if found is None:
            return "", "", -1
        (end,) = found["endpoints"]
        epoch = int(found["metadata"]["annotations"]["slipway.dev/epoch"])
        return end["targetRef"]["name"], end["addresses"][0], epoch

    def drop(self) -> None:
        self._api.request("DELETE", f"{self._path}/{SERVICE}")


@pytest.fixture
def found(api: ApiServer, namespace: str) -> Slice:
    return Slice(api, namespace)


def pod_ip(name: str) -> str:
    """What would be the address of a pod: none of loopback may be in a slice."""
    return f"10.99.0.{int(name.rpartition('-')[2]) + 1}"


def test_the_service_follows_the_master(tmp_path: Path, kubeconfig: Path, namespace: str, found: Slice) -> None:
    with RedisSet(tmp_path / "set", KUBECONFIG=str(kubeconfig), SLIPWAY_NAMESPACE=namespace) as three:
        for pod in three.data:
            pod.environment["SLIPWAY_POD_IP"] = pod_ip(pod.name)
        three.start(SLIPWAY_BOOTSTRAP="true")
        three.settled()
        eventually(lambda: found.shows() == ("redis-0", pod_ip("redis-0"), 0), within=10, what="the first is shown")
        assert found.read()["ports"] == [{"name": "redis", "port": 6379, "protocol": "TCP"}]
        assert found.read()["metadata"]["labels"]["kubernetes.io/service-name"] == SERVICE

        three.data[0].kill()
        rest = [*three.data[1:], *three.sentinels]
        new = three.settled(pods=rest)
        eventually(lambda: found.shows()[:2] == (new.name, pod_ip(new.name)), within=10, what="it has followed")
        assert found.shows()[2] == new.state()["state"]["epoch"]

        found.drop()
        eventually(lambda: found.shows()[0] == new.name, within=20, what="it is written again")

        new.environment["SLIPWAY_POD_IP"] = "10.99.1.1"  # as that of a pod that is started again
        new.kill()
        new.start()
        settled = three.settled(pods=rest)
        eventually(
            lambda: found.shows()[:2] == (settled.name, settled.environment["SLIPWAY_POD_IP"]), within=10, what="both"
        )


def test_of_two_agents_the_one_of_the_later_epoch_wins(
    kubeconfig: Path, namespace: str, found: Slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    agents = {epoch: MasterService(namespace, SERVICE, f"redis-{epoch}") for epoch in (3, 5)}
    targets = {
        epoch: Target(pod=f"redis-{epoch}", ip=pod_ip(f"redis-{epoch}"), port=6379, epoch=epoch) for epoch in agents
    }
    for epoch, agent in agents.items():
        agent.start()
        agent.show(targets[epoch])
    eventually(lambda: found.shows() == ("redis-5", pod_ip("redis-5"), 5), within=10, what="the later one wins")
    agents[3].show(Target(pod="redis-3", ip="10.99.3.3", port=6379, epoch=4))
    agents[5].show(Target(pod="redis-5", ip="10.99.5.5", port=6379, epoch=5))
    eventually(lambda: found.shows() == ("redis-5", "10.99.5.5", 5), within=10, what="its new address")
    agents[3].show(Target(pod="redis-3", ip="10.99.3.3", port=6379, epoch=6))
    eventually(lambda: found.shows() == ("redis-3", "10.99.3.3", 6), within=10, what="a later one still")
