"""What the suites share that make sets of VMs of their own, beside whatever else runs on this machine."""

from __future__ import annotations

from tests.support.seed import pytest_configure, pytest_report_header, seed

__all__ = ["pytest_configure", "pytest_report_header", "seed"]
