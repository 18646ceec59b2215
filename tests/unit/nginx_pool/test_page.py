"""The page, its style and its program fit each other."""

from __future__ import annotations

import re

from tests.support.listings import TEMPLATE
from tests.support.pool import ROLE

FILES = ROLE / "files"
MADE_BY_THE_PROGRAM = {"unchanged"}


def test_the_program_finds_what_it_asks_for() -> None:
    program = (FILES / "assets/page.js").read_text()
    asked = set(re.findall(r'\$\("([a-z-]+)"\)', program)) - MADE_BY_THE_PROGRAM
    assert asked
    assert asked <= set(re.findall(r' id="([a-z-]+)"', TEMPLATE.read_text()))


def test_nothing_is_fetched_from_elsewhere_or_inline() -> None:
    """As the policy that nginx sends demands."""
    for path in (TEMPLATE, FILES / "bootstrap/index.html"):
        text = path.read_text()
        assert set(re.findall(r'(?:src|href)="([^"]*)"', text)) <= {
            "#pods",
            "/index.json",
            "/assets/icon.svg",
            "/assets/page.css",
            "/assets/page.js",
        }
        assert not re.search(r"<style|style=|\son[a-z]+=|<script(?! src)", text)
