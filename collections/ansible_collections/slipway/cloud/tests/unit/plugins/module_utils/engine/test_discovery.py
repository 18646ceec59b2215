# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of how the server's answer is read."""

from __future__ import annotations

from ansible_collections.slipway.cloud.plugins.module_utils.engine.discovery import resources_in
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Resource


def test_resources_are_those_of_the_answer_less_subresources() -> None:
    answer = {
        "groupVersion": "storage.k8s.io/v1",
        "resources": [
            {"name": "storageclasses", "kind": "StorageClass", "namespaced": False},
            {"name": "volumeattachments", "kind": "VolumeAttachment", "namespaced": False},
            {"name": "volumeattachments/status", "kind": "VolumeAttachment", "namespaced": False},
        ],
    }
    assert resources_in(answer) == [
        Resource("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False),
        Resource("storage.k8s.io/v1", "VolumeAttachment", "volumeattachments", namespaced=False),
    ]
    assert [each.has_status for each in resources_in(answer)] == [False, True]
