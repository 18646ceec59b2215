# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program is told by environment variables, as a table of how to read each. Pure."""

from __future__ import annotations

import math
import re
import typing as t
from dataclasses import dataclass

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class SettingsError(Exception):
    """Variables that cannot be used; ``problems`` lists all of them, each with what to do."""

    def __init__(self, problems: t.Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable and how to read it. ``read`` raises ValueError with what to do; without a default one must be set."""

    name: str
    read: t.Callable[[str], t.Any]
    default: str | None
    help: str


def read(environ: t.Mapping[str, str], variables: t.Mapping[str, Variable]) -> tuple[dict[str, t.Any], list[str]]:
    """Return the values by the keys of the table, without those that cannot be used, and what is wrong with these.

    A variable that is empty, or has blanks alone, counts as not set.
    """
    values: dict[str, t.Any] = {}
    problems = []
    for key, variable in variables.items():
        text = environ.get(variable.name, "").strip() or variable.default
        if text is None:
            problems.append(f"{variable.name} is not set; it is {variable.help}")
            continue
        try:
            values[key] = variable.read(text)
        except ValueError as error:
            problems.append(f"{variable.name} is {text!r}: {error}")
    return values, problems


def describe(variables: t.Iterable[Variable], others: t.Mapping[str, str] | None = None) -> str:
    """Return a line for each variable, for --help. :param others: name -> help of those that no table reads."""
    rows = {each.name: each.help + _default(each) for each in variables} | dict(others or {})
    width = max(map(len, rows))
    return "\n".join(f"  {name:{width}}  {text}" for name, text in rows.items())


def _default(variable: Variable) -> str:
    return " [required]" if variable.default is None else f" [{variable.default}]" if variable.default else ""


def port(text: str) -> int:
    """Read the number of a port."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError("give a port from 0 (any that is free) to 65535")
    return int(text)


def object_name(text: str) -> str:
    """Read the name of a Kubernetes object."""
    if not _NAME.fullmatch(text):
        raise ValueError("it is no name of a Kubernetes object: give lower case letters, digits and hyphens")
    return text


def whole(least: int, most: int) -> t.Callable[[str], int]:
    """Return what reads a whole number."""

    def of(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"give a whole number from {least} to {most}")
        return int(text)

    return of


def number(least: float, most: float, what: str = "a number") -> t.Callable[[str], float]:
    """Return what reads a number."""

    def of(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:  # which is so of no NaN
            raise ValueError(f"give {what} from {least:g} to {most:g}")
        return value

    return of


def seconds(least: float, most: float) -> t.Callable[[str], float]:
    """Return what reads a time."""
    return number(least, most, "seconds")
