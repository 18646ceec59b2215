# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what users get to see of objects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._report import failure, shown, summary
from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Cause
from ansible_collections.slipway.cloud.plugins.module_utils.engine.lifecycle import Result

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        ({"kind": "ConfigMap", "data": {"a": "b"}}, {"kind": "ConfigMap", "data": {"a": "b"}}),
        (
            {"kind": "Secret", "data": {"a": "b"}, "type": "x"},
            {"kind": "Secret", "data": {"a": "(hidden)"}, "type": "x"},
        ),
        ({"kind": "Secret", "stringData": {"a": "b"}}, {"kind": "Secret", "stringData": {"a": "(hidden)"}}),
        (
            {"kind": "Secret", "metadata": {"annotations": {LAST_APPLIED: '{"data": {"a": "b"}}', "x": "y"}}},
            {"kind": "Secret", "metadata": {"annotations": {LAST_APPLIED: "(hidden)", "x": "y"}}},
        ),
        ({}, {}),
    ],
)
def test_secrets_are_not_shown(obj: dict[str, object], expected: dict[str, object]) -> None:
    assert shown(obj) == expected


def test_diff_is_of_what_changed() -> None:
    results = [
        Result(kind="Namespace", namespace="", name="a", action="created", after={"kind": "Namespace"}),
        Result(kind="ConfigMap", namespace="a", name="b", action="unchanged"),
    ]
    told = summary(results)
    assert told["changed"] is True
    assert [(each["before_header"], each["before"]) for each in told["diff"]] == [("Namespace a", "")]


@pytest.mark.parametrize(("noun", "told"), [("", "DaemonSet"), ("cluster", "cluster")])
def test_failure_names_the_objects_that_failed_and_the_remedy(noun: str, told: str) -> None:
    well = Result(kind="DaemonSet", namespace="n", name="well", action="created")
    ill = replace(well, name="ill", cause=Cause("c", "it crashes", ("log: no database",), hint="Mend it."))
    expected = f"{told} ill in namespace n: it crashes\n  log: no database\nWhat to do: Mend it."
    assert failure([well, ill], noun=noun) == expected


def test_only_the_first_failures_are_told_in_full() -> None:
    ill = Result(kind="Job", namespace="n", name="ill", action="created", cause=Cause("c", "bad", hint="Mend it."))
    assert (
        failure([ill] * 5).splitlines()
        == ["Job ill in namespace n: bad", "What to do: Mend it."] * 3 + ["Job ill in namespace n: bad"] * 2
    )
