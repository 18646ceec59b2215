# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of who controls whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.reflector import Change
from ansible_collections.slipway.cloud.plugins.module_utils.engine.tracker import Family

if TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object


def child(uid: str, parent: str) -> Object:
    return {"metadata": {"uid": uid, "ownerReferences": [{"uid": "other"}, {"uid": parent, "controller": True}]}}


RS, POD = child("rs", "d"), child("pod", "rs")


@pytest.mark.parametrize(
    ("changes", "descendants", "root"),
    [
        ([], [], "rs"),
        ([Change("ADDED", RS), Change("ADDED", POD)], [RS, POD], "d"),
        ([Change("ADDED", POD), Change("ADDED", RS)], [RS, POD], "d"),
        ([Change("ADDED", POD)], [], "rs"),
        ([Change("ADDED", RS), Change("ADDED", POD), Change("DELETED", POD)], [RS], "d"),
        ([Change("ADDED", RS), Change("ADDED", POD), Change("DELETED", RS)], [POD], "d"),
        ([Change("ADDED", RS), Change("ADDED", POD), Change("DELETED", RS), Change("DELETED", POD)], [], "rs"),
        ([Change("DELETED", POD)], [], "rs"),
    ],
)
def test_family(changes: list[Change], descendants: list[Object], root: str) -> None:
    family = Family()
    for change in changes:
        family.take(change)
    assert (family.descendants("d"), family.root(POD)) == (descendants, root)


def test_object_without_owner_is_its_own_root() -> None:
    assert Family().root({"metadata": {"uid": "d"}}) == "d"
