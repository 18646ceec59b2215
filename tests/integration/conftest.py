"""One API server a run, a fresh proxy and namespace a test."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.support.api_server import ApiServer
from tests.support.fault_proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
