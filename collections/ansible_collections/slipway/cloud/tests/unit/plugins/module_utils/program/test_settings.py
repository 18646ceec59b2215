# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of program.settings: what is read of a table of variables, and what is said of wrong ones."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import (
    SettingsError,
    Variable,
    describe,
    number,
    object_name,
    port,
    read,
    seconds,
    whole,
)


def digits(text: str) -> str:
    """Read as a program's own reader would."""
    if not text.isdigit():
        raise ValueError("give digits")
    return text


VARIABLES = {
    "place": Variable("HERE_NAMESPACE", digits, None, "where to look"),
    "port": Variable("HERE_PORT", port, "9090", "where to be asked"),
    "note": Variable("HERE_NOTE", str, "", "what to add"),
}


@pytest.mark.parametrize(
    ("environ", "values", "problems"),
    [
        ({"HERE_NAMESPACE": "1"}, {"place": "1", "port": 9090, "note": ""}, []),
        ({"HERE_NAMESPACE": " 1\n", "HERE_PORT": " ", "X": "y"}, {"place": "1", "port": 9090, "note": ""}, []),
        ({}, {"port": 9090, "note": ""}, ["HERE_NAMESPACE is not set; it is where to look"]),
        (
            {"HERE_NAMESPACE": "A", "HERE_PORT": "http", "HERE_NOTE": "b"},
            {"note": "b"},
            [
                "HERE_NAMESPACE is 'A': give digits",
                "HERE_PORT is 'http': give a port from 0 (any that is free) to 65535",
            ],
        ),
    ],
)
def test_table(environ: dict[str, str], values: dict[str, t.Any], problems: list[str]) -> None:
    assert read(environ, VARIABLES) == (values, problems)


def test_problems_are_one_line() -> None:
    error = SettingsError(["one", "another"])
    assert str(error) == "one; another"
    assert error.problems == ["one", "another"]


def test_every_variable_is_described() -> None:
    assert describe(VARIABLES.values(), {"OTHER": "of no table"}).splitlines() == [
        "  HERE_NAMESPACE  where to look [required]",
        "  HERE_PORT       where to be asked [9090]",
        "  HERE_NOTE       what to add",
        "  OTHER           of no table",
    ]


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (port, "0", 0),
        (port, "65535", 65535),
        (object_name, "nginx-pool-0", "nginx-pool-0"),
        (whole(1, 3), "3", 3),
        (number(0.5, 3), "0.5", 0.5),
        (seconds(0, 3), "3", 3.0),
    ],
)
def test_good(reader: t.Callable[[str], t.Any], text: str, value: object) -> None:
    assert reader(text) == value


@pytest.mark.parametrize(
    ("reader", "text", "problem"),
    [
        (port, "65536", "give a port from 0"),
        (port, "-1", "give a port from 0"),
        (object_name, "-a", "no name of a Kubernetes object"),
        (object_name, "a" * 64, "no name of a Kubernetes object"),
        (whole(1, 3), "0", "give a whole number from 1 to 3"),
        (whole(1, 3), "1.5", "give a whole number from 1 to 3"),
        (whole(1, 3), "\u0663", "give a whole number from 1 to 3"),
        (number(0.5, 3), "0.4", "give a number from 0.5 to 3"),
        (number(0.5, 3), "nan", "give a number from 0.5 to 3"),
        (seconds(0, 3), "inf", "give seconds from 0 to 3"),
        (seconds(0, 3), "soon", "give seconds from 0 to 3"),
    ],
)
def test_bad(reader: t.Callable[[str], t.Any], text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        reader(text)
