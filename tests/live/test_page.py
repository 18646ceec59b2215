"""The page of the site in a real browser, through the load balancer; of any other one with SLIPWAY_PAGE=<URL>."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import LOOKS, Look, a_browser, a_page, listed, overflow, shoot, violations
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.kubernetes import Kubernetes

HERE = "--namespace=slipway"
SELECTOR = "--selector=app.kubernetes.io/name=nginx-pool"
SOON = 2.0  # s from when a pod is asked to go until the screen shows it


@pytest.fixture(scope="session")
def address(kubernetes: Kubernetes) -> str:
    if elsewhere := os.environ.get("SLIPWAY_PAGE"):
        return elsewhere
    service = kubernetes.get("service", "nginx-pool", HERE)
    [ingress] = service["status"]["loadBalancer"]["ingress"]
    port = service["spec"]["ports"][0]["port"]
    return f"http://{ingress['ip']}{'' if port == 80 else f':{port}'}/"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


def ready(page: Page) -> None:
    """The page has heard from the pool, and has its timeline."""
    page.wait_for_selector("#live[data-state=live]")
    page.wait_for_selector("#entries li")


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_looks(browser: Browser, address: str, look: Look) -> None:
    with a_page(browser, address, look) as page:
        ready(page)
        assert violations(page) == []
        assert overflow(page) <= 0
        shoot(page, f"live-{look}")
        if page.locator("#older").is_enabled():
            page.locator("#older").click()
            page.wait_for_selector("#then:not([hidden])")
            assert violations(page) == []
            shoot(page, f"live-past-{look}")


def test_a_pod_that_went_is_gone_from_the_screen(browser: Browser, address: str, kubernetes: Kubernetes) -> None:
    with a_page(browser, address) as page:
        ready(page)
        there = {pod["metadata"]["name"] for pod in kubernetes.items("pods", HERE, SELECTOR)}
        eventually(lambda: set(listed(page)) <= there, within=10, what="the pods that are there on the screen")
        page.evaluate("window.here = true")
        victim = listed(page)[0]
        began = time.monotonic()
        kubernetes.kubectl("delete", "pod", victim, HERE, "--wait=false")
        eventually(lambda: victim not in listed(page), within=10, what=f"{victim} gone from the screen", every=0.02)
        assert time.monotonic() - began <= SOON
        assert page.evaluate("window.here"), "the page was reloaded"
        page.wait_for_function(
            "name => document.querySelector('#entries .who')?.textContent.includes(name)", arg=victim, timeout=10_000
        )
