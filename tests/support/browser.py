"""Debian's chromium, which looks at a page as people do, and axe-core, which judges how accessible it is."""

from __future__ import annotations

import importlib.resources
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from playwright.sync_api import sync_playwright

from tests.support.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM = "/usr/bin/chromium"
AXE = importlib.resources.files("axe_playwright_python") / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SHOTS = Path(os.environ.get("SLIPWAY_SHOTS") or CHECKOUT / "build" / "screenshots")


@dataclass(frozen=True)
class Look:
    """How a page is looked at: the width in pixels, and whether the reader's system is dark."""

    width: int
    scheme: Literal["light", "dark"]

    @property
    def height(self) -> int:
        return 800 if self.width > 600 else 740

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}"


LOOKS = (Look(1280, "light"), Look(1280, "dark"), Look(360, "light"), Look(360, "dark"))


@contextmanager
def a_browser() -> Iterator[Browser]:
    """A browser without a window."""
    subprocess.run([CHECKOUT / "tools" / "browser"], check=True, capture_output=True)
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]  # tests run as root
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def a_page(browser: Browser, url: str, look: Look = LOOKS[0]) -> Iterator[Page]:
    """A page that has shown its first list; that it threw nothing, asked nobody else and logged no error is checked."""
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height}, color_scheme=look.scheme, locale="en-GB"
    )
    page = context.new_page()
    page.set_default_timeout(10_000)
    wrong: list[str] = []
    here = url.partition("#")[0]
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(here) else None)
    try:
        page.goto(url)
        yield page
        assert wrong == [], "\n".join(wrong)
    finally:
        context.close()


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong: rule, element and why, a line each."""
    page.evaluate(AXE.read_text())  # by the debugger, which a page's own policy does not bind
    options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    found: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{rule['id']}: {node['target']}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than what is seen of it."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wider


def shoot(page: Page, name: str) -> Path:
    """Keep what the page looks like, in full length."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path


def listed(page: Page) -> list[str]:
    """The names of the pods on the screen."""
    names: list[str] = page.eval_on_selector_all(
        "#rows tr:not(.gone) th > span:first-child", "nodes => nodes.map(node => node.textContent)"
    )
    return names
