"""The counter's page in a real browser: with a script and without, while Redis is well and while it is not."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import LOOKS, Look, a_browser, a_page, overflow, shoot, violations
from tests.support.counter import Counter, Redis, a_redis
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with a_redis(tmp_path_factory.mktemp("redis") / "set", nodes=2, sentinels=1) as redis:
        yield redis


@pytest.fixture(scope="module")
def counter(redis: Redis) -> Iterator[Counter]:
    settings = {"COUNTER_WAIT_MS": "100", "COUNTER_PATIENCE": "0.5"}
    with Counter(redis.home / "counter", {**redis.settings, **settings}) as counter:
        eventually(lambda: counter.get().status == 200, within=10, what="the count")
        yield counter


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@contextmanager
def silence(redis: Redis) -> Iterator[None]:
    """The only replica answers nothing meanwhile, so nothing can be known to be stored."""
    [replica] = redis.replicas
    replica.send(signal.SIGSTOP)
    try:
        yield
    finally:
        replica.send(signal.SIGCONT)
        redis.settle()


def url(counter: Counter) -> str:
    return f"http://127.0.0.1:{counter.port}/"


def shows(page: Page, count: int) -> None:
    """The figure on the screen becomes `count`."""
    page.wait_for_function("count => document.getElementById('count').textContent == count", arg=count)


def notes(page: Page, text: str) -> None:
    """What it says of the click becomes this, or begins with it."""
    page.wait_for_function("text => document.getElementById('note').textContent.startsWith(text)", arg=text)


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_looks(counter: Counter, browser: Browser, look: Look) -> None:
    before = counter.get().count
    with a_page(browser, url(counter), look) as page:
        shows(page, before)
        assert violations(page) == []
        page.get_by_role("button", name="Count one").click()
        shows(page, before + 1)
        notes(page, f"Stored as number {before + 1}.")
        assert violations(page) == []
        assert overflow(page) <= 0
        shoot(page, f"counter-{look}")


def test_follows_without_a_reload(counter: Counter, browser: Browser) -> None:
    with a_page(browser, url(counter)) as page:
        page.evaluate("window.here = true")
        shows(page, counter.post().count)
        button = page.get_by_role("button", name="Count one")
        button.focus()
        before = counter.get().count
        for _ in range(3):
            page.keyboard.press("Enter")
        shows(page, before + 3)
        assert page.evaluate("document.activeElement.id") == "add"
        assert page.evaluate("window.here")
        assert page.title() == f"{before + 3} · counter"


def test_a_click_is_sent_until_it_is_stored_and_counts_once(counter: Counter, redis: Redis, browser: Browser) -> None:
    before = counter.get().count
    page = browser.new_page()
    page.goto(url(counter))
    with silence(redis):
        page.get_by_role("button", name="Count one").click()
        notes(page, "Not known to be stored yet")
        assert page.get_attribute("#live", "data-state") == "away"
        assert violations(page) == []
    notes(page, "Stored as number")
    shows(page, before + 1)
    assert counter.get().count == before + 1
    page.close()


def test_without_a_script(counter: Counter, redis: Redis, browser: Browser) -> None:
    before = counter.get().count
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url(counter))
    page.get_by_role("button", name="Count one").click()
    assert page.text_content("#count") == str(before + 1)
    page.reload()
    assert page.text_content("#count") == str(before + 1)

    with silence(redis):
        page.get_by_role("button", name="Count one").click()
        assert str(page.text_content("#note")).startswith("It is not sure whether that was counted")
        shoot(page, "counter-unsure")
    page.get_by_role("button", name="Try again").click()
    assert page.text_content("#count") == str(before + 2)
    assert page.get_by_role("button", name="Count one").is_visible()
    assert counter.get().count == before + 2
    context.close()
