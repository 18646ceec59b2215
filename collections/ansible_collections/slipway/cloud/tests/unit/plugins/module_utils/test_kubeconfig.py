# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._kubeconfig import (
    EMPTY,
    KubeconfigError,
    is_empty,
    is_kubeconfig,
    merge,
    without,
)

OURS = "https://10.77.0.11:6443"
LOCAL = "https://127.0.0.1:8443"


def config(name: str, server: str, *, ca: str = "ca", token: str = "token", **more: t.Any) -> dict[str, t.Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        **more,
    }


def lacking(section: str, whole: dict[str, t.Any]) -> dict[str, t.Any]:
    return {**whole, section: []}


SOURCE = config("slipway", OURS)


@pytest.mark.parametrize(
    ("own", "server"),
    [
        pytest.param({}, OURS, id="no file yet"),
        pytest.param({"clusters": None, "users": None, "current-context": ""}, OURS, id="empty sections"),
        pytest.param(config("other", "https://other"), OURS, id="beside another"),
        pytest.param(config("mine", OURS), OURS, id="already there"),
        pytest.param(config("mine", OURS, ca="old", token="old"), OURS, id="made anew at the same address"),
        pytest.param(lacking("users", config("mine", OURS)), OURS, id="its user is missing"),
        pytest.param(config("mine", LOCAL), LOCAL, id="at a loopback address, the same authority"),
    ],
)
def test_merge_adds_the_context(own: dict[str, t.Any], server: str) -> None:
    before = copy.deepcopy(own)
    source = config("slipway", server)

    merged = merge(own, source, context="slipway", name="mine")

    entries = {section: {e["name"]: e for e in merged[section]} for section in ("clusters", "users", "contexts")}
    assert entries["clusters"]["mine"]["cluster"] == source["clusters"][0]["cluster"]
    assert entries["users"]["mine"]["user"] == source["users"][0]["user"]
    assert entries["contexts"]["mine"]["context"] == {"cluster": "mine", "user": "mine"}
    assert own == before
    assert merge(merged, source, context="slipway", name="mine") == merged


@pytest.mark.parametrize(
    ("own", "server", "section"),
    [
        (config("mine", "https://other"), OURS, "clusters"),
        (config("mine", LOCAL, ca="of another machine"), LOCAL, "clusters"),
        (lacking("clusters", config("mine", OURS, token="other")), OURS, "users"),
        (lacking("clusters", config("mine", OURS)), OURS, "contexts"),
        (
            {
                **config("other", "https://other"),
                "contexts": [{"name": "mine", "context": {"cluster": "other", "user": "other"}}],
            },
            OURS,
            "contexts",
        ),
    ],
)
def test_merge_refuses_a_foreign_entry(own: dict[str, t.Any], server: str, section: str) -> None:
    with pytest.raises(KubeconfigError) as error:
        merge(own, config("slipway", server), context="slipway", name="mine")
    assert str(error.value) == (
        f"Your kubeconfig has another mine among its {section}, which does not lead to {server}: choose another name."
    )


def test_merge_keeps_everything_else() -> None:
    own = config("other", "https://other", preferences={"colors": True}, extensions=[{"name": "x"}])
    own["contexts"].append({"name": "mine", "context": {"cluster": "old", "user": "old", "namespace": "team"}})
    own["clusters"].append({"name": "old", "cluster": {"server": OURS}})

    merged = merge(own, SOURCE, context="slipway", name="mine")

    assert {key: merged[key] for key in ("preferences", "extensions", "current-context")} == {
        "preferences": {"colors": True},
        "extensions": [{"name": "x"}],
        "current-context": "other",
    }
    assert merged["clusters"][:2] == own["clusters"]
    assert merged["users"][0] == own["users"][0]
    assert merged["contexts"][1]["context"] == {"namespace": "team", "cluster": "mine", "user": "mine"}


def test_merge_says_which_contexts_there_are() -> None:
    with pytest.raises(KubeconfigError, match=r"There is no context typo to merge; there is: slipway\."):
        merge({}, SOURCE, context="typo", name="mine")


OTHERS = config("other", "https://other", preferences={"colors": True})


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param({}, {}, id="no file"),
        pytest.param(OTHERS, OTHERS, id="of others alone"),
        pytest.param(merge(OTHERS, SOURCE, context="slipway", name="mine"), OTHERS, id="beside another"),
        pytest.param(
            merge(merge(OTHERS, SOURCE, context="slipway", name="a"), SOURCE, context="slipway", name="b"),
            OTHERS,
            id="under two names",
        ),
        pytest.param(config("mine", "https://other"), config("mine", "https://other"), id="of the name, but elsewhere"),
        pytest.param(lacking("users", SOURCE), lacking("users", SOURCE), id="not as it was merged"),
    ],
)
def test_without(own: dict[str, t.Any], expected: dict[str, t.Any]) -> None:
    before = copy.deepcopy(own)
    assert without(own, SOURCE, context="slipway") == expected
    assert own == before


def test_without_forgets_the_current_context_with_it() -> None:
    left = without(merge({}, SOURCE, context="slipway", name="mine"), SOURCE, context="slipway")
    assert left == {**EMPTY, "clusters": [], "users": [], "contexts": []}
    assert is_empty(left)
    assert not is_empty(OTHERS)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, True),
        (SOURCE, True),
        ({"clusters": None}, True),
        ("text", False),
        ([], False),
        ({"clusters": {"a": 1}}, False),
        ({"users": [{"user": {}}]}, False),
    ],
)
def test_is_kubeconfig(content: t.Any, expected: bool) -> None:
    assert is_kubeconfig(content) is expected
