# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the module access' decisions."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._access import Question, missing, questions_of, rows_of

NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "clusters", "labels": {"level": "baseline"}},
}
CREATE = Question("create", "", "namespaces", "")


def right(**changes: t.Any) -> dict[str, t.Any]:
    return {"why": "x", "namespaces": [""], "rules": [], "needed": True, "unless": [], **changes}


def test_questions() -> None:
    rule = {"apiGroups": ["apps"], "resources": ["deployments", "deployments/scale"], "verbs": ["get", "patch"]}
    assert questions_of(right(namespaces=["a", "b"], rules=[rule])) == [
        Question(verb, "apps", resource, namespace)
        for namespace in ("a", "b")
        for resource in ("deployments", "deployments/scale")
        for verb in ("get", "patch")
    ]


@pytest.mark.parametrize(
    ("question", "title", "attributes"),
    [
        (CREATE, "namespaces", {"verb": "create", "resource": "namespaces"}),
        (
            Question("get", "", "pods/log", "a"),
            "pods/log",
            {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "a"},
        ),
        (
            Question("patch", "apps", "deployments/scale", "a"),
            "deployments.apps/scale",
            {"verb": "patch", "group": "apps", "resource": "deployments", "subresource": "scale", "namespace": "a"},
        ),
    ],
)
def test_review(question: Question, title: str, attributes: dict[str, str]) -> None:
    assert question.title == title
    assert question.review()["spec"] == {"resourceAttributes": attributes}


@pytest.mark.parametrize(
    ("current", "lines"),
    [
        (None, ["Namespace clusters does not exist"]),
        ({"metadata": {"name": "clusters"}}, ["metadata.labels is None, not {'level': 'baseline'}"]),
        (
            {"metadata": {"name": "clusters", "labels": {"level": "privileged"}}},
            ["metadata.labels.level is 'privileged', not 'baseline'"],
        ),
        ({"metadata": {"name": "clusters", "labels": {"level": "baseline", "of": "others"}}, "status": {}}, []),
    ],
)
def test_missing(current: dict[str, t.Any] | None, lines: list[str]) -> None:
    whole = current and {"apiVersion": "v1", "kind": "Namespace", **current}
    assert missing(NAMESPACE, whole) == [line if current is None else f"Namespace clusters: {line}" for line in lines]


@pytest.mark.parametrize(
    ("changes", "lacking", "needed"),
    [
        ({}, [], True),
        ({"needed": False}, [], False),
        ({"unless": [NAMESPACE]}, [], False),
        ({"unless": [NAMESPACE]}, ["Namespace clusters does not exist"], True),
        ({"unless": [NAMESPACE], "needed": False}, ["Namespace clusters does not exist"], False),
    ],
)
def test_needed(changes: dict[str, t.Any], lacking: list[str], needed: bool) -> None:
    row = {"verb": "create", "resource": "namespaces", "namespace": None, "why": "x", "needed": needed}
    assert rows_of(right(**changes), [CREATE], lacking) == [row]
