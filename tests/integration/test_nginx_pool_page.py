"""The page in a real browser, served by the pool's own nginx from a store that holds what the publisher would write."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import LOOKS, Look, a_browser, a_page, listed, overflow, shoot, violations
from tests.support.listings import Chronicle, a_day, page, pod, stamp
from tests.support.pool import Bench, a_bench, image_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

NOW = dt.datetime(2026, 11, 29, 12, 0, 0, 250_000, tzinfo=dt.UTC)
MARKUP = "<img src=x onerror=alert(1)>&amp;"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_root(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture
def bench(root: Path, tmp_path: Path) -> Iterator[Bench]:
    with a_bench(root, tmp_path / "pod") as bench:
        yield bench


def lay(bench: Bench, chronicle: Chronicle) -> str:
    """Have both stores hold all of it; return the address of the page."""
    for store in bench.stores:
        for key, (content, kind) in chronicle.objects.items():
            store.put(key, content, kind)
    return f"http://127.0.0.1:{bench.pool.port}/"


def follows(page: Page, count: int, within: int = 2000) -> None:
    """The figure on the screen becomes `count` within so many milliseconds."""
    page.wait_for_function("count => document.getElementById('count').textContent == count", arg=count, timeout=within)


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_looks(bench: Bench, browser: Browser, look: Look) -> None:
    url = lay(bench, a_day(NOW))
    with a_page(browser, url, look) as page:
        page.wait_for_selector("#entries li")
        assert violations(page) == []
        assert overflow(page) <= 0
        shoot(page, f"page-{look}")
        page.locator("#moment").focus()
        for _ in range(4):
            page.keyboard.press("ArrowLeft")
        follows(page, 4)
        page.wait_for_selector("tr.gone")
        assert violations(page) == []
        assert overflow(page) <= 0
        shoot(page, f"page-past-{look}")


def test_follows_without_a_reload(bench: Bench, browser: Browser) -> None:
    chronicle = Chronicle()
    chronicle.add([1, 2, 3], NOW)
    with a_page(browser, lay(bench, chronicle)) as page:
        page.evaluate("window.here = true")
        assert sorted(listed(page)) == sorted(map(pod, (1, 2, 3)))
        chronicle.add([2, 3], NOW + dt.timedelta(seconds=20))
        lay(bench, chronicle)
        follows(page, 2)
        assert sorted(listed(page)) == sorted(map(pod, (2, 3)))
        assert page.text_content("#news") == f"2 pods now: {pod(1)} went"
        page.wait_for_selector("#entries li:nth-child(2)")
        assert page.evaluate("window.here")


def test_goes_back_in_time_by_keyboard(bench: Bench, browser: Browser) -> None:
    chronicle = a_day(NOW)
    url = lay(bench, chronicle)
    with a_page(browser, url) as page:
        page.wait_for_selector("#entries li")
        page.get_by_role("button", name="The change before").focus()
        page.keyboard.press("Enter")
        follows(page, 5)
        assert page.locator("#then-text").is_visible()
        assert page.evaluate("location.hash") == f"#{chronicle.entries[1]['key']}"
        assert page.get_attribute("#moment", "aria-valuetext") == page.text_content("#moment-text")
        page.keyboard.press("Enter")
        page.wait_for_selector("tr.gone")
        page.get_by_role("button", name="Back to now").press("Enter")
        follows(page, 6)
        assert page.locator("#then").is_hidden()

        chronicle.add([2, 3], NOW + dt.timedelta(minutes=1))  # what is past stays while the present goes on
        page.get_by_role("button", name="Show all").click()
        page.locator("#entries button").last.click()
        follows(page, 2)
        lay(bench, chronicle)
        page.wait_for_function("() => document.querySelectorAll('#entries li').length == 15")
        assert page.locator("#entries [aria-current]").count() == 1
        assert page.locator("#then-text").is_visible()
    with a_page(browser, f"{url}#{chronicle.entries[6]['key']}") as page:  # as somebody was sent it
        follows(page, 5)
        assert page.locator("#then-text").is_visible()


def test_a_name_that_is_markup_is_text(bench: Bench, browser: Browser) -> None:
    chronicle = Chronicle()
    chronicle.add([MARKUP, 1], NOW)
    chronicle.add([MARKUP], NOW + dt.timedelta(seconds=5))
    with a_page(browser, lay(bench, chronicle)) as page:
        page.wait_for_selector("#entries li")
        assert listed(page) == [MARKUP]
        assert page.locator("main img").count() == 0
        page.locator("#entries button").last.click()
        follows(page, 2)
        assert listed(page) == [MARKUP, pod(1)]


def test_thousands_are_found(bench: Bench, browser: Browser) -> None:
    chronicle = Chronicle()
    chronicle.add(range(5000), NOW)
    with a_page(browser, lay(bench, chronicle), LOOKS[2]) as page:
        assert len(listed(page)) == 5000
        page.get_by_role("searchbox").fill(pod(4711)[-5:])
        page.wait_for_function("() => document.querySelectorAll('#rows tr:not([hidden])').length == 1")
        chronicle.add(range(4999), NOW + dt.timedelta(seconds=9))
        lay(bench, chronicle)
        follows(page, 4999)


def test_says_when_the_stores_do_not_answer(bench: Bench, browser: Browser) -> None:
    chronicle = a_day(NOW)
    with a_page(browser, lay(bench, chronicle)) as page:
        page.wait_for_selector("#live[data-state=live]")
        for store in bench.stores:
            store.close()
        page.wait_for_selector("#live[data-state=stale]")
        assert violations(page) == []
        for store in bench.stores:
            store.open()
        page.wait_for_selector("#live[data-state=live]")


def test_an_older_list_is_not_shown(bench: Bench, browser: Browser) -> None:
    """The next answer may be that of a pod, or a store, that knows less."""
    chronicle = Chronicle()
    chronicle.add([1], NOW)
    before = dict(chronicle.objects)
    chronicle.add([1, 2], NOW + dt.timedelta(seconds=3))
    with a_page(browser, lay(bench, chronicle)) as page:
        page.wait_for_selector("#entries li")
        asked = len(bench.stores[0].requests)
        chronicle.objects = before
        lay(bench, chronicle)
        etag = bench.stores[0].objects["index.json"].etag
        older = lambda answer: answer.url.endswith("index.json") and answer.headers["etag"] == etag  # noqa: E731
        with page.expect_response(older):
            pass
        with page.expect_response("**/index.json"):
            pass
        assert len(bench.stores[0].requests) > asked
        assert len(listed(page)) == 2


def test_before_the_first_listing(bench: Bench, browser: Browser) -> None:
    url = f"http://127.0.0.1:{bench.pool.port}/"
    with a_page(browser, url, LOOKS[2]) as page:
        assert page.text_content("h1") == "No listing yet"
        assert violations(page) == []
        shoot(page, "page-bootstrap")
        chronicle = Chronicle()
        chronicle.add([1, 2], NOW)
        lay(bench, chronicle)
        page.wait_for_selector("#count", timeout=5000)
        follows(page, 2)


def test_no_pod_at_all(bench: Bench, browser: Browser) -> None:
    chronicle = Chronicle()
    chronicle.add([], NOW)
    with a_page(browser, lay(bench, chronicle)) as page:
        page.wait_for_selector("#live[data-state=live]")
        assert page.locator("#empty").is_visible()
        assert violations(page) == []


def test_is_whole_without_javascript(bench: Bench, browser: Browser) -> None:
    url = lay(bench, a_day(NOW))
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(url)
        assert page.locator("#rows tr").count() == 6
        assert "reload it" in page.inner_text("footer")
    finally:
        context.close()


def test_the_template_takes_no_text_for_markup() -> None:
    endpoint = {"ip": "fd00::1", "pod": MARKUP, "node": '"><script>', "since": stamp(NOW)}
    index = {"endpoints": [endpoint], "generation": 1, "at": stamp(NOW), "service": "s", "namespace": "n"}
    text = page(index)
    assert "<img" not in text
    assert '"><script>' not in text
    assert "fd00::1" in text
