"""When and at which commit something was measured."""

from __future__ import annotations

import datetime as dt
import subprocess

from tests.support.paths import CHECKOUT


def today() -> str:
    """The date, in UTC."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def commit() -> str:
    """The short hash of HEAD, with a mark where the checkout differs from it in more than its results."""
    changed = _git("status", "--porcelain", "--", ".", ":!docs/results", ":!docs/*.md")
    return _git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.strip()
