# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a caller may say about a custom resource: a place in it, an operator and a value. Pure.

Places are kubectl's JSONPath less what is of no use here: fields, indices, C([*]), and filters with C(==) and C(!=),
as in C({.status.conditions[?(@.type=="Ready")].status}).
"""

from __future__ import annotations

import operator
import re
import typing as t
from dataclasses import dataclass

from .errors import InvalidInputError

_STEP = re.compile(
    r"""\.?\[\?\(@\.(?P<key>[\w.-]+)\s*(?P<test>==|!=)\s*(?P<quote>["']?)(?P<value>[^"')]*)(?P=quote)\)\]"""
    r"""|\.?\[(?P<every>\*)\]|\.?\[(?P<index>-?\d+)\]|\.?\[["'](?P<quoted>[^"']+)["']\]|\.?(?P<field>[\w/-]+)"""
)
_EXAMPLE = """.status.phase or .status.conditions[?(@.type=="Ready")].status"""
Step = t.Callable[[t.Any], list[t.Any]]


def _ordered(compare: t.Callable[[t.Any, t.Any], bool]) -> t.Callable[[t.Any, t.Any], bool]:
    def test(found: t.Any, value: t.Any) -> bool:
        try:
            return compare(float(found), float(value))
        except (TypeError, ValueError):
            return False

    return test


def _equal(found: t.Any, value: t.Any) -> bool:
    """Compare as people write: 2 is "2", true is "True"."""
    return found == value or str(found).lower() == str(value).lower()


OPERATORS: dict[str, t.Callable[[t.Any, t.Any], bool]] = {
    "==": _equal,
    "!=": lambda found, value: not _equal(found, value),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": lambda found, value: any(_equal(found, each) for each in value),
    "matches": lambda found, value: re.search(str(value), str(found)) is not None,
    "exists": lambda _found, _value: True,
    "absent": lambda _found, _value: False,
}


@dataclass(frozen=True, slots=True)
class Expression:
    """One thing that is to be so; all that is found at the place must satisfy it, and there must be something."""

    jsonpath: str
    operator: str = "=="
    value: t.Any = None

    def __str__(self) -> str:
        return f"{self.jsonpath} {self.operator}" + ("" if self.value is None else f" {self.value}")

    def holds(self, obj: t.Any) -> bool:
        """Whether it is so."""
        found = find(obj, self.jsonpath)
        if self.operator == "absent":
            return not found
        return bool(found) and all(OPERATORS[self.operator](each, self.value) for each in found)

    def told(self, obj: t.Any) -> str:
        """Return what is there, for messages."""
        found = find(obj, self.jsonpath)
        there = ", ".join(map(str, found)) if found else "not there"
        return f"{self.jsonpath} is {there}, wanted {str(self).removeprefix(self.jsonpath).strip()}"


def checked(expressions: t.Iterable[Expression]) -> tuple[Expression, ...]:
    """Return expressions that can be evaluated. :raises InvalidInputError: for all that cannot."""
    expressions = tuple(expressions)
    problems = [problem for each in expressions for problem in _problems(each)]
    if problems:
        raise InvalidInputError(problems)
    return expressions


def _problems(expression: Expression) -> t.Iterator[str]:
    path, name, value = expression.jsonpath, expression.operator, expression.value
    if _steps(path) is None:
        yield f"jsonpath {path!r} cannot be read: write it as {_EXAMPLE}"
    if name not in OPERATORS:
        yield f"operator {name!r} of {path} is none of {', '.join(OPERATORS)}"
    if name == "in" and not isinstance(value, list):
        yield f"operator in of {path} needs a list of values"
    if name == "matches":
        try:
            re.compile(str(value))
        except re.error as error:
            yield f"value {value!r} of {path} is no regular expression: {error}"


def find(obj: t.Any, path: str) -> list[t.Any]:
    """Return everything that is at a place of an object; nothing where the path leads nowhere."""
    found = [obj]
    for step in _steps(path) or ():
        found = [each for value in found for each in step(value)]
    return found


def _steps(path: str) -> list[Step] | None:
    """Return a path as functions from a value to what is there; None if it is no path."""
    rest = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps = []
    while rest:
        match = _STEP.match(rest)
        if match is None:
            return None
        steps.append(_step(match))
        rest = rest[match.end() :]
    return steps or None


def _step(match: re.Match[str]) -> Step:
    if match["key"]:
        wanted = match["test"] == "=="
        key, value = match["key"], match["value"]
        return lambda obj: [each for each in _list(obj) if any(_equal(v, value) for v in find(each, key)) is wanted]
    if match["every"]:
        return lambda obj: list(obj.values()) if isinstance(obj, dict) else _list(obj)
    if match["index"]:
        at = int(match["index"])
        return lambda obj: _list(obj)[at:][:1]
    name = match["quoted"] or match["field"]
    return lambda obj: [obj[name]] if isinstance(obj, dict) and obj.get(name) is not None else []


def _list(obj: t.Any) -> list[t.Any]:
    return obj if isinstance(obj, list) else []
