"""The seed of all that is random in a run, for the conftest.py of suites that have such tests."""

from __future__ import annotations

import os
import secrets

import pytest

SEED = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed, or take that of an earlier run."""
    config.stash[SEED] = int(os.environ.get("SLIPWAY_SEED") or secrets.randbelow(1 << 32))


def pytest_report_header(config: pytest.Config) -> str:
    """Show it."""
    return f"to repeat what is random: SLIPWAY_SEED={config.stash[SEED]}"


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The seed of all that is random."""
    return pytestconfig.stash[SEED]
