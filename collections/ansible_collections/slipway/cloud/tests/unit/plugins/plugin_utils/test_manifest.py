# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of how documents are read and patched."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import InvalidInputError
from ansible_collections.slipway.cloud.plugins.plugin_utils._manifest import checked, flatten, parse, patched

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
TWO = f"---\n{MAP}---\n---\n{MAP.replace('name: a', 'name: b')}"


def config_map(name: str = "a", **fields: t.Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (MAP, ["a"]),
        (TWO, ["a", "b"]),
        ('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}', ["a"]),
        ("apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: p}}]", ["p"]),
        ("", []),
        ("# a comment alone", []),
    ],
)
def test_parse(text: str, names: list[str]) -> None:
    assert [each["metadata"]["name"] for each in parse(text, origin="x.yaml")] == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"x\.yaml is no YAML: line 2: "),
        ("a: \x00", r"x\.yaml is no YAML: "),
        ("text", r"x\.yaml, document 1: is no mapping but str"),
        (f"{MAP}---\nkind: Pod", r"x\.yaml, document 2: has no apiVersion"),
        ("apiVersion: v1", r"has no kind"),
        ("apiVersion: v1\nkind: Pod", r"Pod has no metadata\.name"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: x-}", r"Pod has no metadata\.name"),
    ],
)
def test_what_is_no_object_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse(text, origin="x.yaml")


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidInputError) as error:
        flatten([{}, config_map(), 5], origin="definition")
    assert len(error.value.problems) == 2


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], "there is no document"),
        ([config_map(), config_map()], "ConfigMap a is given 2 times"),
    ],
)
def test_checked(documents: list[Object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        checked(documents)


def patch(op: str, path: str, value: t.Any = None, **target: str) -> dict[str, t.Any]:
    operation = {"op": op, "path": path, "value": value}
    return {"kind": "ConfigMap", "name": "a", **target, "operations": [operation]}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (patch("add", "/data/c", 3), {"data": {"b": 1, "c": 3}, "list": [1, 2]}),
        (patch("replace", "/data/b", 3), {"data": {"b": 3}, "list": [1, 2]}),
        (patch("remove", "/data/b"), {"data": {}, "list": [1, 2]}),
        (patch("add", "/list/-", 3), {"data": {"b": 1}, "list": [1, 2, 3]}),
        (patch("add", "/list/0", 0), {"data": {"b": 1}, "list": [0, 1, 2]}),
        (patch("replace", "/list/1", 5), {"data": {"b": 1}, "list": [1, 5]}),
        (patch("remove", "/list/0"), {"data": {"b": 1}, "list": [2]}),
        (patch("add", "/data/x~1y~0z", 1), {"data": {"b": 1, "x/y~z": 1}, "list": [1, 2]}),
    ],
)
def test_patched(operation: dict[str, t.Any], expected: Object) -> None:
    document = config_map(data={"b": 1}, list=[1, 2])
    assert patched([document], [operation]) == [config_map(**expected)]
    assert document == config_map(data={"b": 1}, list=[1, 2])


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (patch("replace", "/data/c", 3), "the patch of ConfigMap a finds no /data/c"),
        (patch("remove", "/data/c"), "the patch of ConfigMap a finds no /data/c"),
        (patch("replace", "/list/7", 3), "finds no /list/7"),
        (patch("add", "/other/c", 3), "finds no /other/c"),
        (patch("add", "/list/x", 3), "finds no /list/x"),
        (patch("add", "/data/c", 3, name="z"), "the patch of ConfigMap z finds no such document"),
    ],
)
def test_a_patch_that_finds_nothing_is_an_error(operation: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        patched([config_map(data={"b": 1}, list=[1])], [operation])
