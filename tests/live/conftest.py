"""What the live suites share: a real Kubernetes, a namespace a test, and what a failed test leaves to see."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

import pytest

from tests.support.kubernetes import KubectlError, Kubernetes
from tests.support.paths import CACHE

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

CONSOLE_TAIL = 3000
SEED = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def kubernetes() -> Kubernetes:
    """The Kubernetes of the set that SLIPWAY_VM_SET names, `t` unless given."""
    kubernetes = Kubernetes()
    assert kubernetes.kubeconfig.exists(), f"{kubernetes.kubeconfig} is missing: make molecule creates the set t"
    return kubernetes


@pytest.fixture(scope="session")
def pause(kubernetes: Kubernetes) -> str:
    """The tiny image of the bundle."""
    return kubernetes.image("registry.k8s.io/pause")


@pytest.fixture
def namespace(kubernetes: Kubernetes) -> Iterator[str]:
    """A namespace of the test's own."""
    name = kubernetes.new_namespace()
    yield name
    kubernetes.kubectl("delete", "namespace", name, "--wait=false")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed of all that is random, or take that of an earlier run."""
    config.stash[SEED] = int(os.environ.get("SLIPWAY_SEED") or secrets.randbelow(1 << 32))


def pytest_report_header(config: pytest.Config) -> str:
    """Show the seed."""
    return f"to repeat what is random: SLIPWAY_SEED={config.stash[SEED]}"


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The seed of all that is random."""
    return pytestconfig.stash[SEED]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state of the set to the report of a failed test."""
    report = yield
    kubernetes = getattr(item, "funcargs", {}).get("kubernetes")
    if report.failed and isinstance(kubernetes, Kubernetes):
        report.sections.extend(_evidence(kubernetes))
    return report


def _evidence(kubernetes: Kubernetes) -> Iterator[tuple[str, str]]:
    for what in ("nodes", "pods --all-namespaces", "events --all-namespaces --sort-by=.lastTimestamp"):
        with contextlib.suppress(KubectlError):
            answer = kubernetes.kubectl("get", *what.split(), "--output=wide", "--request-timeout=5s", timeout=10)
            yield what, answer[-6000:]
    for log in sorted((CACHE / "vms" / kubernetes.vm_set).glob("*/*.log")):
        yield str(log), log.read_text(errors="replace")[-CONSOLE_TAIL:]
