"""docs/results/<drill>.md: the results of a drill, which also tell what is still to be done."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PASSED, FAILED = "passed", "failed"


@dataclass(frozen=True)
class Result:
    """One step of a drill."""

    step: str
    outcome: str
    seconds: str
    commit: str
    date: str
    notes: str


def parse(page: str) -> list[Result]:
    """The results on a page, in its order."""
    rows = [line for line in page.splitlines() if line.startswith("| ")][2:]
    return [Result(*(cell.strip() for cell in row.strip("|").split("|"))) for row in rows]


def render(title: str, results: Iterable[Result]) -> str:
    """The page with these results."""
    names = [field.name for field in fields(Result)]
    rows = [names, ["---"] * len(names), *([getattr(result, name) for name in names] for result in results)]
    return f"# {title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def still_to_do(steps: Iterable[str], results: Iterable[Result]) -> list[str]:
    """The steps that have not passed yet; all of them where all have, which begins a new run."""
    steps = list(steps)
    passed = {result.step for result in results if result.outcome == PASSED}
    return [step for step in steps if step not in passed] or steps
