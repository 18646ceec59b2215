# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what callers say about custom resources."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import InvalidInputError
from ansible_collections.slipway.cloud.plugins.module_utils.engine.expressions import Expression, checked, find

OBJ = {
    "metadata": {"annotations": {"example.org/mode": "on"}},
    "status": {
        "phase": "Up",
        "ready": True,
        "replicas": 2,
        "empty": None,
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}],
        "parts": {"a": {"up": 1}, "b": {"up": 2}},
    },
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".status.phase", ["Up"]),
        ("{.status.phase}", ["Up"]),
        ("$.status.phase", ["Up"]),
        ("status.phase", ["Up"]),
        (".status.nothing.at.all", []),
        (".status.empty", []),
        (".status.conditions[0].type", ["Ready"]),
        (".status.conditions[-1].type", ["Other"]),
        (".status.conditions[7].type", []),
        (".status.conditions[*].status", ["True", "False"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type != 'Ready')].status", ["False"]),
        (".status.parts[*].up", [1, 2]),
        ("['status']['phase']", ["Up"]),
        (".metadata.annotations['example.org/mode']", ["on"]),
    ],
)
def test_place(path: str, found: list[t.Any]) -> None:
    assert find(OBJ, path) == found


@pytest.mark.parametrize(
    ("path", "operator", "value", "holds"),
    [
        (".status.phase", "==", "Up", True),
        (".status.phase", "!=", "Up", False),
        (".status.ready", "==", True, True),
        (".status.ready", "==", "true", True),
        (".status.replicas", "==", "2", True),
        (".status.replicas", ">=", 2, True),
        (".status.replicas", ">", 2, False),
        (".status.replicas", "<", 3, True),
        (".status.replicas", "<=", 1, False),
        (".status.phase", ">", 1, False),
        (".status.phase", "in", ["Up", "Down"], True),
        (".status.phase", "matches", "^U", True),
        (".status.phase", "exists", None, True),
        (".status.nothing", "exists", None, False),
        (".status.nothing", "absent", None, True),
        (".status.phase", "absent", None, False),
        (".status.nothing", "!=", "Up", False),
        (".status.conditions[*].status", "==", "True", False),
    ],
)
def test_operator(path: str, operator: str, value: t.Any, holds: bool) -> None:
    assert Expression(path, operator, value).holds(OBJ) is holds


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        (Expression(".status[", "==", 1), "cannot be read"),
        (Expression("", "==", 1), "cannot be read"),
        (Expression(".a", "=~", 1), "operator '=~' of .a is none of =="),
        (Expression(".a", "in", "x"), "needs a list of values"),
        (Expression(".a", "matches", "("), "is no regular expression"),
    ],
)
def test_expression_that_cannot_be(expression: Expression, problem: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        checked([expression])
    assert problem in str(error.value)


def test_what_is_there_is_told() -> None:
    assert Expression(".status.replicas", ">", 2).told(OBJ) == ".status.replicas is 2, wanted > 2"
    assert Expression(".status.x", "exists").told(OBJ) == ".status.x is not there, wanted exists"
