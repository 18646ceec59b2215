from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.authority import Authority
from tests.unit.slipwayctl.double import Double, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with certificates of one authority, of a server and of a client."""
    home, authority = tmp_path_factory.mktemp("tls"), Authority.new("ca")
    authority.server(home / "server")
    authority.client(home / "client")
    return home


@pytest.fixture
def double() -> Double:
    return Double()


@pytest.fixture
def address(double: Double, tls: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the double is served, which the driver knows by its environment."""
    with served(double, tls / "server") as port:
        monkeypatch.setenv("SLIPWAY_ADDRESS", f"127.0.0.1:{port}")
        monkeypatch.setenv("SLIPWAY_TLS_DIR", str(tls / "client"))
        yield f"127.0.0.1:{port}"
