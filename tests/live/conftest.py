"""What the live suites share: a real Kubernetes, a namespace a test, and what a failed test leaves to see."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.support.calm import machine
from tests.support.kubernetes import KubectlError, Kubernetes
from tests.support.paths import CACHE
from tests.support.seed import pytest_configure, pytest_report_header, seed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

__all__ = ["pytest_configure", "pytest_report_header", "seed"]

CONSOLE_TAIL = 3000


def pytest_sessionstart(session: pytest.Session) -> None:
    """Wait for the machine, which those that measure must have to themselves, until the end."""
    held = contextlib.ExitStack()
    held.enter_context(machine(alone=True))
    session.config.add_cleanup(held.close)


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
