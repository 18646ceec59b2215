# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of causes as data and as text."""

from __future__ import annotations

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import (
    Cause,
    Rule,
    Trouble,
    cause_from,
    explain,
)

FATAL = Rule("image_not_found", "Push it.", recoverable=False, patience=0.0)
SLOW = Rule("crash_loop", patience=60.0)
HARMLESS = Rule("unschedulable")
SUSPICION = Rule("")


def trouble(rule: Rule, number: int = 1, what: str = "it is bad") -> Trouble:
    return Trouble((rule.code, number), rule, what, (f"pod {number}",))


@pytest.mark.parametrize(
    ("troubles", "code", "summary"),
    [
        ([], None, ""),
        ([trouble(SUSPICION)], None, ""),
        ([trouble(HARMLESS), trouble(SLOW)], "crash_loop", "it is bad"),
        ([trouble(HARMLESS, 1), trouble(HARMLESS, 2), trouble(SLOW)], "crash_loop", "it is bad"),
        ([trouble(SLOW, 1), trouble(SLOW, 2), trouble(FATAL)], "image_not_found", "it is bad"),
        ([trouble(SLOW, 1), trouble(SLOW, 2)], "crash_loop", "it is bad (2 pods)"),
        ([trouble(SLOW, 1, "a"), trouble(SLOW, 2, "b"), trouble(SLOW, 3, "b")], "crash_loop", "b (2 pods)"),
    ],
)
def test_gravest_trouble_is_the_cause(troubles: list[Trouble], code: str | None, summary: str) -> None:
    cause = cause_from(troubles)
    assert (cause and cause.code, cause.summary if cause else "") == (code, summary)


def test_cause_as_data() -> None:
    cause = cause_from([trouble(FATAL)])
    assert cause
    assert cause.as_dict() == {
        "code": "image_not_found",
        "summary": "it is bad",
        "evidence": ["pod 1"],
        "recoverable": False,
        "hint": "Push it.",
    }


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (Cause("c", "it is bad"), "demo: it is bad"),
        (
            Cause("c", "it is bad", ("pod a", "log: x"), hint="Mend it."),
            "demo: it is bad\n  pod a\n  log: x\nWhat to do: Mend it.",
        ),
    ],
)
def test_cause_as_text(cause: Cause, text: str) -> None:
    assert explain(cause, of="demo") == text


def test_text_has_at_most_twelve_lines() -> None:
    cause = Cause("c", "bad", tuple(map(str, range(50))), hint="Mend it.")
    assert len(explain(cause).splitlines()) == 12


def test_long_line_is_wrapped_and_keeps_its_end() -> None:
    text = explain(Cause("c", "bad", ("begin " + "word " * 300 + "not found",)))
    assert [len(line) <= 110 for line in text.splitlines()] == [True] * 4
    assert text.splitlines()[1].startswith("  begin word")
    assert text.endswith("not found")
