"""The Kubernetes of the live suites, and what a failed test leaves to see."""

from __future__ import annotations

from tests.live.conftest import (
    kubernetes,
    pytest_configure,
    pytest_report_header,
    pytest_runtest_makereport,
    pytest_sessionstart,
    seed,
)

__all__ = [
    "kubernetes",
    "pytest_configure",
    "pytest_report_header",
    "pytest_runtest_makereport",
    "pytest_sessionstart",
    "seed",
]
