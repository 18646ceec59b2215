# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what is told before a server is asked."""

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.plugin_utils._schema import schema_problems

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object


def deployment(container: Object | None = None, **spec: t.Any) -> Object:
    pod = {"containers": [{"name": "a", "image": "b", **(container or {})}]}
    whole = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {**whole, **spec}}


CONTAINER = r"spec\.template\.spec\.containers\[0\]"
WRONG: dict[str, tuple[Object, str]] = {
    "mistyped field": (deployment(replcas=3), r"spec: there is no field replcas, did you mean replicas\?"),
    "mistyped field, deep": (
        deployment({"imagePullPolice": "Never"}),
        CONTAINER + r": there is no field imagePullPolice, did you mean imagePullPolicy\?",
    ),
    "unlike any field": (deployment(zzzzzz=1), r"spec: there is no field zzzzzz$"),
    "at the top": ({**deployment(), "sepc": {}}, r"the top level: there is no field sepc, did you mean spec\?"),
    "wrong type": (deployment(replicas="three"), r"spec\.replicas: 'three' is not of type 'integer'"),
    "field missing": (
        deployment(template=None, selector={}) | {"spec": {"selector": {}}},
        r"spec: 'template' is a required",
    ),
}


@pytest.mark.parametrize(("obj", "message"), WRONG.values(), ids=WRONG)
def test_wrong(obj: Object, message: str) -> None:
    [problem] = schema_problems(obj)
    assert re.match(message, problem), problem


def test_value_in_a_secret_is_not_told() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"pin": 123456}}
    [problem] = schema_problems(secret)
    assert problem.startswith("stringData.pin: it is not of type ")
    assert "123456" not in problem


@pytest.mark.parametrize(
    "obj",
    [
        deployment(replicas=3),
        deployment({"resources": {"limits": {"cpu": 1, "memory": "64Mi"}}}),
        {"apiVersion": "example.org/v1", "kind": "Deployment", "metadata": {"name": "a"}, "anything": True},
        {"apiVersion": "apps.example.org/v1", "kind": "Deployment", "metadata": {"name": "a"}, "anything": True},
        {"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "a"}, "anything": True},
    ],
)
def test_right_or_unknown(obj: Object) -> None:
    assert schema_problems(obj) == []
