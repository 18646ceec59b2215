"""One API server a run, a fresh proxy and namespace a test; one simulated Kubernetes for all tests of the worker.

Where tests run side by side (`--dist=loadfile`), each process has its own.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.support.api_server import ApiServer
from tests.support.authority import Authority
from tests.support.fault_proxy import FaultProxy
from tests.support.redis_set import RedisSet
from tests.support.worker_site import a_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.worker import Client, Worker
    from tests.support.worker_site import Site

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The API server all tests share."""
    with ApiServer(tmp_path_factory.mktemp("api")) as server:
        yield server


@pytest.fixture
def proxy(api: ApiServer) -> Iterator[FaultProxy]:
    """A proxy before it, without faults yet."""
    with FaultProxy(api) as proxy:
        yield proxy


@pytest.fixture
def namespace(api: ApiServer) -> str:
    """A namespace of the test's own."""
    name = f"test-{next(_numbers)}"
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture
def kubeconfig(api: ApiServer, tmp_path: Path) -> Path:
    """A kubeconfig that leads straight to the API server."""
    return api.kubeconfig(tmp_path / "kubeconfig")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """What all tests of the worker share."""
    with a_site(tmp_path_factory.mktemp("site"), Authority.new("slipway test")) as site:
        yield site


@pytest.fixture(scope="session")
def workers(site: Site) -> Iterator[list[Worker]]:
    """Two workers that every test may use, and none may harm."""
    with site.running(2) as workers:
        yield workers


@pytest.fixture(scope="session")
def client(site: Site, workers: list[Worker]) -> Iterator[Client]:
    """A client whose calls go to both of them in turns."""
    with site.client(*workers) as client:
        yield client


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSet]:
    """Three data nodes and three Sentinels for all tests of a module that do not need new ones."""
    with RedisSet(tmp_path_factory.mktemp("standing") / "set") as redis_set:
        redis_set.start(SLIPWAY_BOOTSTRAP="true")
        redis_set.settled()
        yield redis_set


@pytest.fixture
def three(standing: RedisSet) -> RedisSet:
    """It, whole, with redis-0 as its master."""
    return standing.as_new()
