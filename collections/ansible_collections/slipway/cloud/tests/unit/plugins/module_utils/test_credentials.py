# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the module credentials' decisions."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._credentials import (
    ALPHABET,
    contents,
    filled,
    generated,
    problems_of,
    secret_with,
    settled,
    text,
)


@pytest.mark.parametrize(
    ("given", "held", "expected"),
    [
        ({"key": "given"}, {}, {"key": "given"}),
        ({"key": "given"}, {"key": "held"}, {"key": "given"}),
        ({"key": ""}, {"key": "held"}, {"key": "held"}),
        ({"key": None}, {"key": "held"}, {"key": "held"}),
        ({"key": 7}, {}, {"key": "7"}),
        ({"key": ""}, {"key": "held", "other": "no matter"}, {"key": "held"}),
    ],
)
def test_what_is_given_wins_then_what_is_held(
    given: dict[str, t.Any], held: dict[str, str], expected: dict[str, str]
) -> None:
    assert settled(given, held, 32) == expected


def test_the_rest_is_made_up() -> None:
    made = settled({"key": "", "secret": None}, {}, 40)
    assert [len(value) for value in made.values()] == [40, 40]
    assert set("".join(made.values())) <= set(ALPHABET)
    assert made["key"] != made["secret"]
    assert generated(32) != generated(32)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("plain", "plain"),
        ("${key}:${secret}", "k:a$b"),
        ("$key and {key}", "$key and {key}"),
        ([{"login": "${key}", "port": 7070, "create": True}], [{"login": "k", "port": 7070, "create": True}]),
        ({"${key}": "${secret}"}, {"${key}": "a$b"}),
    ],
)
def test_filled(content: t.Any, expected: t.Any) -> None:
    assert filled(content, {"key": "k", "secret": "a$b"}) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(None, ""), ("as it is", "as it is"), ([{"b": 1, "a": "x"}], '[{"a": "x", "b": 1}]')]
)
def test_text(value: t.Any, expected: str) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(
    ("values", "content", "length", "problems"),
    [
        ({"key": ""}, "${key}", 8, []),
        ({}, "", 32, ["values is empty: name at least one"]),
        ({"a b": ""}, "", 32, ["values has the key 'a b': letters, digits, -, _ and . make a key"]),
        ({"key": ["x"]}, "", 32, ["values.key is no text"]),
        ({"key": ""}, [{"x": "${kye}"}], 32, ["copies mention ${kye}, which values does not have"]),
        ({"key": ""}, "", 7, ["length is 7, which is less than 8"]),
    ],
)
def test_problems(values: dict[str, t.Any], content: t.Any, length: int, problems: list[str]) -> None:
    assert problems_of(values, [{"content": content}], length) == problems


def test_secret() -> None:
    made = secret_with("login", "shop", {"key": "grün"}, None)
    assert made["metadata"] == {
        "name": "login",
        "namespace": "shop",
        "labels": {"app.kubernetes.io/managed-by": "slipway"},
    }
    assert contents(made) == {"key": "grün"}
    assert contents(None) == {}
    again = secret_with("login", "shop", {}, {"metadata": {"resourceVersion": "7"}})
    assert again["metadata"]["resourceVersion"] == "7"
