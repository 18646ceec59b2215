# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of how documents are read and patched."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import InvalidInputError
from ansible_collections.slipway.cloud.plugins.plugin_utils._documents import (
    TIMEOUT,
    Document,
    checked,
    flatten,
    load,
    origins_of,
    parse,
    patched,
    timeout_of,
)

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
        ("# a date is a string\n" + MAP.replace("name: a", "name: '1', d: 2026-11-21"), ["1"]),
    ],
)
def test_parse(text: str, names: list[str]) -> None:
    assert [each.obj["metadata"]["name"] for each in parse(text, origin="x.yaml")] == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"x\.yaml is neither YAML nor JSON: line 2: "),
        ("a: \x00", r"x\.yaml is neither YAML nor JSON: "),
        ('{"a": 1\n"b": 2}', r"x\.yaml is neither YAML nor JSON: line 2: "),
        ("a: 1\nb: 2\na: 3", r"x\.yaml is neither YAML nor JSON: line 3: key 'a' is given twice"),
        ("", r"x\.yaml holds no document: is it the right file\?"),
        ("# a comment alone", r"x\.yaml holds no document"),
        ("---\n---\n", r"x\.yaml holds no document"),
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


def declared(*objects: Object) -> list[Document]:
    return flatten(objects, origin="x.yaml")


def named(kind: str, name: str, version: str = "v1", **meta: t.Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **meta}}


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([], "there is no document: give some by definition or src"),
        (
            [config_map(), config_map("b"), config_map()],
            r"ConfigMap a is given 2 times: x\.yaml, document 1; x\.yaml, document 3",
        ),
        (
            [config_map("Not_A_Name")],
            r"x\.yaml, document 1: ConfigMap Not_A_Name: name 'Not_A_Name' is no DNS subdomain",
        ),
        ([config_map("x" * 254)], "is no DNS subdomain: at most 253"),
        ([named("Service", "a.b")], r"Service a\.b: name 'a\.b' is no DNS label: at most 63"),
        ([named("Namespace", "x" * 64)], "is no DNS label"),
        (
            [config_map("a", data={"x": "y" * (4 << 20)})],
            r"is 4\.0 MiB long, and an API server takes 3\.0 MiB: split it",
        ),
        ([config_map("a", data={"x": b"y"})], "holds what JSON cannot"),
        ([named("Pod", "a", namespace="No")], "namespace 'No' is no DNS label"),
        ([named("Pod", "a", annotations={TIMEOUT: "soon"})], f"annotation {TIMEOUT} is no number of seconds"),
    ],
)
def test_what_no_server_would_take(objects: list[Object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        checked(declared(*objects))


@pytest.mark.parametrize(
    "obj",
    [
        config_map("a.b-c"),
        named("ClusterRole", "system:node", "rbac.authorization.k8s.io/v1"),
        named("Service", "a"),
        named("Thing", "a", "example.org/v1"),
    ],
)
def test_what_a_server_may_take(obj: Object) -> None:
    assert [each.obj for each in checked(declared(obj))] == [obj]


def test_the_faults_of_all_documents_are_told_at_once() -> None:
    with pytest.raises(InvalidInputError) as error:
        checked(declared(config_map("A"), config_map("b"), config_map("C")))
    assert len(error.value.problems) == 2


def test_an_object_may_name_its_own_time() -> None:
    assert timeout_of(named("Pod", "a", annotations={TIMEOUT: "1.5"})) == 1.5
    assert timeout_of(named("Pod", "a")) is None


def test_an_object_is_known_by_where_it_was_declared() -> None:
    origin = origins_of(declared(config_map("a"), config_map("b")))
    assert [origin(config_map(name)) for name in ("b", "c")] == ["x.yaml, document 2", ""]


def test_ten_megabytes_are_read_in_seconds() -> None:
    text = json.dumps({"a": ["x" * 100] * 100_000})
    assert load(text, origin="x.json") == [json.loads(text)]


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
    assert [each.obj for each in patched(declared(document), [operation])] == [config_map(**expected)]
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
        patched(declared(config_map(data={"b": 1}, list=[1])), [operation])
