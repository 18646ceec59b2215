# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of which add-ons a Kubernetes lacks."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._addons import (
    Choice,
    Found,
    announced_by_excluded,
    default_class,
    plan,
    problems,
)

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

POOL = ("192.0.2.10-192.0.2.20",)
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"


def named(name: str, *, ours: bool = False, annotations: dict[str, str] | None = None, **fields: t.Any) -> Object:
    labels = {"app.kubernetes.io/managed-by": "slipway"} if ours else {}
    return {"metadata": {"name": name, "labels": labels, "annotations": annotations}, **fields}


def storage_class(name: str, *, default: bool, ours: bool = False) -> Object:
    notes = {"storageclass.kubernetes.io/is-default-class": str(default).lower()}
    return named(name, ours=ours, annotations=notes)


def node(provider: str = "", **labels: str) -> Object:
    return {"metadata": {"name": "node", "labels": labels}, "spec": {"providerID": provider} if provider else {}}


def found(**shown: t.Any) -> Found:
    bare = {"storage_classes": [], "api_services": [], "definitions": [], "nodes": [node()], "admin": True}
    return Found(**{**bare, **shown})


def decided(shown: Found, *, pool: t.Sequence[str] = POOL, **choices: Choice) -> list[tuple[str, bool, str]]:
    wishes: dict[str, Choice] = {"storage": "auto", "load_balancer": "auto", "metrics": "auto", **choices}
    return [(each.name, each.wanted, each.reason) for each in plan(shown, **wishes, pool=pool)]


def test_a_bare_kubernetes_lacks_everything() -> None:
    lacking = [(name, True, "lacking") for name in ("local-path", "metallb", "metrics-server")]
    assert decided(found()) == lacking


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"storage_classes": [named("slow")]}, ("local-path", True, "lacking")),
        ({"storage_classes": [storage_class("slow", default=False)]}, ("local-path", True, "lacking")),
        (
            {"storage_classes": [storage_class("standard", default=True)]},
            ("local-path", False, "the default StorageClass is standard"),
        ),
        (
            {"storage_classes": [storage_class("local-path", default=True, ours=True)]},
            ("local-path", True, "installed by Slipway"),
        ),
        (
            {"storage_classes": [storage_class(name, default=True, ours=name == "b") for name in "ab"]},
            ("local-path", False, "the default StorageClass is a"),
        ),
        ({"storage_classes": None}, ("local-path", False, "cannot be looked at")),
        ({"nodes": [node("aws:///eu-west-1a/i-0")]}, ("metallb", False, "nodes of aws have a load balancer")),
        ({"nodes": [node("kind://docker/kind/kind")]}, ("metallb", True, "lacking")),
        ({"nodes": None}, ("metallb", True, "lacking")),
        (
            {"definitions": [named("ipaddresspools.metallb.io")]},
            ("metallb", False, "there is a MetalLB of somebody else"),
        ),
        ({"definitions": [named("ipaddresspools.metallb.io", ours=True)]}, ("metallb", True, "installed by Slipway")),
        ({"definitions": None}, ("metallb", False, "cannot be looked at")),
        (
            {"api_services": [named("v1."), named("v1beta1.metrics.k8s.io")]},
            ("metrics-server", False, "v1beta1.metrics.k8s.io is served"),
        ),
        ({"api_services": [named("v1beta1.custom.metrics.k8s.io")]}, ("metrics-server", True, "lacking")),
        (
            {"api_services": [named("v1beta1.metrics.k8s.io", ours=True)]},
            ("metrics-server", True, "installed by Slipway"),
        ),
    ],
)
def test_auto(shown: dict[str, t.Any], expected: tuple[str, bool, str]) -> None:
    name, wanted, reason = expected
    (row,) = (row for row in decided(found(**shown)) if row[0] == name)
    assert row[1] is wanted
    assert row[2].startswith(reason)


def test_without_addresses_there_is_no_load_balancer() -> None:
    assert ("metallb", False, "addons_address_pool names no address") in decided(found(), pool=[])


@pytest.mark.parametrize("choice", ["true", "false"])
def test_the_site_has_the_last_word(choice: Choice) -> None:
    shown = found(storage_classes=[storage_class("standard", default=True)], nodes=[node("gce://x")])
    rows = decided(shown, storage=choice, load_balancer=choice, metrics=choice)
    options = ["addons_storage", "addons_load_balancer", "addons_metrics"]
    assert [(wanted, reason) for _name, wanted, reason in rows] == [
        (choice == "true", f"{option} is {choice}") for option in options
    ]


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        ({}, "local-path, metallb, metrics-server"),
        ({"storage_classes": [storage_class("local-path", default=True, ours=True)]}, "metallb, metrics-server"),
        ({"storage_classes": None, "definitions": None}, "metrics-server"),
    ],
)
def test_who_may_not_install_is_told_what_is_lacking(shown: dict[str, t.Any], missing: str) -> None:
    limited = found(**shown, admin=False)
    add_ons = plan(limited, storage="auto", load_balancer="auto", metrics="auto", pool=POOL)
    (problem,) = problems(add_ons, admin=False, pool=POOL)
    assert f"lacks {missing}, and" in problem
    assert "playbooks/admin.yml" in problem
    assert not any(each.as_dict(admin=False)["install"] for each in add_ons)


def test_what_is_there_is_no_problem_for_who_may_not_install() -> None:
    shown = found(
        storage_classes=[storage_class("standard", default=True)],
        api_services=[named("v1beta1.metrics.k8s.io", ours=True)],
        admin=False,
    )
    assert (
        problems(plan(shown, storage="auto", load_balancer="auto", metrics="auto", pool=[]), admin=False, pool=[]) == []
    )


def test_a_load_balancer_needs_addresses() -> None:
    add_ons = plan(found(), storage="auto", load_balancer="true", metrics="auto", pool=[])
    assert problems(add_ons, admin=True, pool=[]) == [
        "addons_load_balancer is true, but addons_address_pool names no address that it may give"
    ]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ([], ""),
        ([storage_class("a", default=True)], "a"),
        ([storage_class("a", default=True, ours=True)], ""),
        (None, ""),
    ],
)
def test_default_class(classes: list[Object] | None, expected: str) -> None:
    assert default_class(found(storage_classes=classes)) == expected


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node(**{EXCLUDED: ""})], True),
        ([node(**{EXCLUDED: ""}), node()], False),
        ([node()], False),
        (None, False),
    ],
)
def test_nodes_that_do_not_announce(nodes: list[Object] | None, expected: bool) -> None:
    assert announced_by_excluded(found(nodes=nodes)) is expected
