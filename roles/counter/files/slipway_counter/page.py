"""The page: the figure, and a button that works without a script too. Pure."""

from __future__ import annotations

import secrets
import typing as t
from html import escape
from pathlib import Path
from string import Template

from .outcomes import Fate

if t.TYPE_CHECKING:
    from .outcomes import Outcome

_TEMPLATE = Template((Path(__file__).parent / "assets" / "page.html").read_text(encoding="utf-8"))
_FAILED = {
    Fate.NOT_COUNTED: "That was not counted: $why. Try again.",
    Fate.UNKNOWN: "It is not sure whether that was counted: $why. Try again: it cannot be counted twice.",
}


def render(read: Outcome, *, failed: Outcome | None = None, key: str = "") -> str:
    """Return the page. ``failed`` is what became of the form that was sent with this ``key``, which is kept."""
    known = read.fate is Fate.COUNTED
    why = failed or (None if known else read)
    return _TEMPLATE.substitute(
        title=f"{read.count} · counter" if known else "counter",
        count=read.count if known else "?",
        word="counted" if known else "the count is not known now",
        state="live" if known else "away",
        live="Read from Redis" if known else "Redis does not answer",
        key=escape(key or secrets.token_hex(16)),
        label="Try again" if failed else "Count one",
        note=_note(failed) if failed else escape(_sentence(why.told)) if why else "",
    )


def _note(failed: Outcome) -> str:
    return escape(Template(_FAILED[failed.fate]).substitute(why=failed.told))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
