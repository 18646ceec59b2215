# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what tells one state of an object from another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.apply import (
    cleaned,
    declares,
    differs,
    is_ours,
    keep_replicas,
    not_ours,
)

if TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

REVISION = "deployment.kubernetes.io/revision"
NOISE = {"uid": "u", "generation": 2, "resourceVersion": "7", "creationTimestamp": "t", "managedFields": []}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (None, {}),
        ({"metadata": {"name": "x", **NOISE}, "status": {}}, {"metadata": {"name": "x"}}),
        ({"metadata": {"annotations": {REVISION: "1"}}}, {"metadata": {}}),
        ({"metadata": {"annotations": {REVISION: "1", "a": "b"}}}, {"metadata": {"annotations": {"a": "b"}}}),
    ],
)
def test_cleaned(obj: Object | None, expected: Object) -> None:
    assert cleaned(obj) == expected


def owned(manager: str = "slipway", operation: str = "Apply", **extra: str) -> Object:
    entry = {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {"f:replicas": {}}}, **extra}
    return {"metadata": {"managedFields": [entry]}, "spec": {"replicas": 5}}


@pytest.mark.parametrize(
    ("obj", "path", "expected"),
    [
        (owned(), ("spec", "replicas"), True),
        (owned(), ("spec", "template"), False),
        (owned(manager="kubectl"), ("spec", "replicas"), False),
        (owned(operation="Update"), ("spec", "replicas"), False),
        (owned(subresource="scale"), ("spec", "replicas"), False),
        ({"metadata": {}}, ("spec",), False),
    ],
)
def test_declares(obj: Object, path: tuple[str, ...], expected: bool) -> None:
    assert declares(obj, "slipway", *path) is expected


@pytest.mark.parametrize(
    ("spec", "current", "expected"),
    [
        ({"replicas": 2}, owned(), {"replicas": 2}),
        ({}, owned(), {"replicas": 5}),
        ({}, owned(manager="kube-controller-manager"), {}),
        ({}, None, {}),
    ],
)
def test_replicas_are_kept(spec: Object, current: Object | None, expected: Object) -> None:
    assert keep_replicas({"spec": spec}, current)["spec"] == expected


FIELDS = {
    "f:metadata": {"f:labels": {".": {}, "f:a": {}}, "f:finalizers": {'v:"ours"': {}}},
    "f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:name": {}}}, "f:selector": {}},
}
PORT = {"port": 80, "protocol": "TCP", "name": "http"}


def service(*, manager: str = "slipway", **changes: object) -> Object:
    """One that we declare a part of, and others the rest."""
    values: dict[str, Any] = {
        "labels": {"a": "1"},
        "finalizers": ["ours"],
        "ports": [PORT],
        "selector": {"app": "x"},
        **changes,
    }
    metadata = {"managedFields": [{"manager": manager, "fieldsV1": FIELDS}]}
    metadata |= {name: values.pop(name) for name in ("labels", "finalizers")}
    return {"metadata": metadata, "spec": values}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (service(), False),
        (service(clusterIP="10.0.0.1"), False),
        (service(labels={"a": "1", "theirs": "2"}), False),
        (service(finalizers=["theirs", "ours"]), False),
        (service(ports=[{**PORT, "nodePort": 30000}, {"port": 81, "protocol": "TCP"}]), False),
        (service(labels={"a": "2"}), True),
        (service(labels={}), True),
        (service(finalizers=["theirs"]), True),
        (service(ports=[{**PORT, "name": "web"}]), True),
        (service(ports=[]), True),
        (service(selector={"app": "x", "more": "y"}), True),
    ],
)
def test_what_others_write_is_no_change_of_ours(after: Object, expected: bool) -> None:
    assert differs(service(), after) is expected
    assert differs(after, service()) is expected


def test_where_nobody_says_who_declares_what_everything_counts() -> None:
    assert differs(service(manager="other"), service(manager="other", clusterIP="10.0.0.1"))


def test_what_is_not_ours_is_refused() -> None:
    meta = {"name": "demo", "namespace": "n", "labels": {"app.kubernetes.io/managed-by": "Helm"}}
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}
    assert not is_ours(obj)
    assert "Deployment demo in namespace n exists and was not made by Slipway" in str(not_ours(obj))
