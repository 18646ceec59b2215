"""The page, as text."""

from __future__ import annotations

import re

import pytest
from slipway_counter.outcomes import Fate, Outcome, not_sent, unanswered
from slipway_counter.page import render

from tests.support.paths import CHECKOUT

KNOWN = Outcome(fate=Fate.COUNTED, count=41)
COUNTER = CHECKOUT / "roles/counter/files/slipway_counter/assets/page.css"
POOL = CHECKOUT / "roles/nginx_pool/files/assets/page.css"


def text_of(name: str, page: str) -> str:
    found = re.search(rf'id="{name}"[^>]*>([^<]*)<', page)
    assert found
    return found[1]


def key_of(page: str) -> str:
    found = re.search(r'name="key" id="key" value="([^"]*)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("read", "failed", "count", "button", "note"),
    [
        (KNOWN, None, "41", "Count one", ""),
        (not_sent("x"), None, "?", "Count one", "Redis cannot be reached."),
        (KNOWN, not_sent("x"), "41", "Try again", "That was not counted: Redis cannot be reached. Try again."),
        (
            not_sent("x"),
            unanswered("x"),
            "?",
            "Try again",
            "It is not sure whether that was counted: Redis has not answered. Try again: it cannot be counted twice.",
        ),
    ],
)
def test_what_it_says(read: Outcome, failed: Outcome | None, count: str, button: str, note: str) -> None:
    page = render(read, failed=failed, key="mine" if failed else "")
    assert (text_of("count", page), text_of("add", page), text_of("note", page)) == (count, button, note)


def test_each_page_has_a_key_of_its_own() -> None:
    assert key_of(render(KNOWN)) != key_of(render(KNOWN))
    assert re.fullmatch(r"[0-9a-f]{32}", key_of(render(KNOWN)))
    assert key_of(render(KNOWN, failed=unanswered("x"), key='a"<b')) == "a&quot;&lt;b"


def test_it_needs_nobody_else() -> None:
    assert re.findall(r'(?:href|src|action)="(?!/)', render(KNOWN)) == []
    assert "style=" not in render(KNOWN)
    assert "<script>" not in render(KNOWN)


def test_its_colours_are_those_of_the_pool() -> None:
    def colours(css: str) -> list[str]:
        return re.findall(r"--[-a-z]+: [^;]+;", css)

    assert colours(COUNTER.read_text()) == colours(POOL.read_text())
