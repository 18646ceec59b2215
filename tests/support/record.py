"""When and at which commit something was measured."""

from __future__ import annotations

import datetime as dt
import subprocess

from tests.support.paths import CHECKOUT


def today() -> str:
    """The date, in UTC."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def commit() -> str:
    """The short hash of HEAD, with a mark where the checkout differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.strip()
