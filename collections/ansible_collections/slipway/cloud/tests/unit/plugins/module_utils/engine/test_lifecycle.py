# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of which streams a set of objects needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.cluster import reference
from ansible_collections.slipway.cloud.plugins.module_utils.engine.lifecycle import rank, selections, selector
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT, Resource

if TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

OURS = "app.kubernetes.io/managed-by=slipway"


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([reference("a", "n")], f"{OURS},app.kubernetes.io/instance=a"),
        ([reference("b", "n"), reference("a", "n")], f"{OURS},app.kubernetes.io/instance in (a,b)"),
        ([reference(f"c{i}", "n") for i in range(500)], OURS),
        ([reference("a", "n"), {"metadata": {"labels": {"app.kubernetes.io/managed-by": "slipway"}}}], OURS),
        ([reference("a", "n"), {"metadata": {}}], ""),
    ],
)
def test_selector(objects: list[Object], expected: str) -> None:
    assert selector(objects) == expected


def test_streams_are_per_namespace_not_per_object() -> None:
    objects = [(DEPLOYMENT, reference(f"c{i}", f"n{i % 2}")) for i in range(500)]
    streams = [(each.namespace, each.resource.kind) for each in selections(objects)]
    assert streams == [(ns, kind) for ns in ("n0", "n1") for kind in ("Deployment", "ReplicaSet", "Pod")]


DAEMON_SET = Resource("apps/v1", "DaemonSet", "daemonsets")
DEFINITION = Resource(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)


def test_kinds_of_a_namespace_share_the_stream_of_pods() -> None:
    objects = [(kind, {**reference("a", "n"), "kind": kind.kind}) for kind in (DEPLOYMENT, DAEMON_SET)]
    streams = [(each.resource.kind, each.query) for each in selections(objects, family_labels=False)]
    own = {"fieldSelector": "metadata.name=a"}
    assert streams == [("Deployment", own), ("ReplicaSet", {}), ("Pod", {}), ("DaemonSet", own)]


def test_family_is_found_by_its_labels() -> None:
    streams = [(each.resource.kind, each.query) for each in selections([(DEPLOYMENT, reference("a", "n"))])]
    family = {"labelSelector": f"{OURS},app.kubernetes.io/instance=a"}
    assert streams == [("Deployment", {"fieldSelector": "metadata.name=a"}), ("ReplicaSet", family), ("Pod", family)]


def test_what_has_no_namespace_is_watched_everywhere() -> None:
    crd: Object = {"metadata": {"name": "pools.example.org"}}
    assert [each.namespace for each in selections([(DEFINITION, crd)])] == [None]


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        ("v1", "Namespace", 0),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", 0),
        ("v1", "ConfigMap", 1),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", 1),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", 1),
        ("apps/v1", "DaemonSet", 2),
        ("batch/v1", "CronJob", 2),
        ("metallb.io/v1beta1", "IPAddressPool", 3),
        ("gateway.networking.k8s.io/v1", "Gateway", 3),
    ],
)
def test_rank(api_version: str, kind: str, expected: int) -> None:
    assert rank(Resource(api_version, kind, "things")) == expected
