# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what documents tell of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.slipway.cloud.plugins.module_utils.engine.manifest import defined_kinds, ours

if TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object


def test_definitions_tell_the_kinds_that_are_served() -> None:
    versions = [{"name": "v1"}, {"name": "v1beta1", "served": True}, {"name": "v1alpha1", "served": False}]
    spec = {"group": "example.org", "names": {"kind": "Thing"}, "versions": versions}
    documents: list[Object] = [{"kind": "CustomResourceDefinition", "spec": spec}, {"kind": "Namespace"}]
    assert defined_kinds(documents) == {("example.org/v1", "Thing"), ("example.org/v1beta1", "Thing")}


def test_our_label_joins_those_of_the_document() -> None:
    document = {"kind": "ConfigMap", "metadata": {"name": "x", "labels": {"app": "y"}}}
    labels = {"app": "y", "app.kubernetes.io/managed-by": "slipway"}
    assert ours(document) == {"kind": "ConfigMap", "metadata": {"name": "x", "labels": labels}}
    assert document["metadata"] == {"name": "x", "labels": {"app": "y"}}


def test_a_document_without_labels_gets_ours() -> None:
    document = {"kind": "ConfigMap", "metadata": {"name": "x", "labels": None}}
    assert ours(document)["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "slipway"}
