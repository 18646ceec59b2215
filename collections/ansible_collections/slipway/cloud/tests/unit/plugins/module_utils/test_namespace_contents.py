# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._namespace_contents import sorted_out

OURS = {"app.kubernetes.io/managed-by": "slipway"}


def obj(kind: str, name: str = "x", **meta: t.Any) -> dict[str, t.Any]:
    return {"kind": kind, "metadata": {"name": name, **meta}}


@pytest.mark.parametrize(
    ("found", "whose"),
    [
        (obj("Deployment", labels=OURS), "ours"),
        (obj("Deployment", labels={"app.kubernetes.io/managed-by": "Helm"}), "foreign"),
        (obj("Pod"), "foreign"),
        (obj("PersistentVolumeClaim", labels=None), "foreign"),
        (obj("Pod", labels=OURS, ownerReferences=[{"kind": "ReplicaSet"}]), "neither"),
        (obj("Event"), "neither"),
        (obj("EndpointSlice"), "neither"),
        (obj("ServiceAccount", "default"), "neither"),
        (obj("ServiceAccount", "mine"), "foreign"),
        (obj("ConfigMap", "kube-root-ca.crt"), "neither"),
    ],
)
def test_sorted_out(found: dict[str, t.Any], whose: str) -> None:
    assert sorted_out([found]) == ([found] if whose == "ours" else [], [found] if whose == "foreign" else [])
