# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of which streams a set of objects needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.cluster import reference
from ansible_collections.slipway.cloud.plugins.module_utils.engine.lifecycle import selections, selector

if TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

OURS = "app.kubernetes.io/managed-by=slipway"


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([reference("a", "n")], f"{OURS},app.kubernetes.io/instance=a"),
        ([reference("b", "n"), reference("a", "n")], f"{OURS},app.kubernetes.io/instance in (a,b)"),
        ([reference(f"c{i}", "n") for i in range(500)], OURS),
        ([reference("a", "n"), {"metadata": {}}], ""),
    ],
)
def test_selector(objects: list[Object], expected: str) -> None:
    assert selector(objects) == expected


def test_streams_are_per_namespace_not_per_object() -> None:
    objects = [reference(f"c{i}", f"n{i % 2}") for i in range(500)]
    streams = [(each.namespace, each.resource.kind) for each in selections(objects)]
    assert streams == [(ns, kind) for ns in ("n0", "n1") for kind in ("Deployment", "ReplicaSet", "Pod")]
