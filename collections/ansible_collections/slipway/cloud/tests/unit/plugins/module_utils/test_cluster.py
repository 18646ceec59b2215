# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the module cluster's decisions."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._ansible import option_problems, options_of, texts
from ansible_collections.slipway.cloud.plugins.module_utils._cluster import (
    clusters_among,
    items_of,
    objects_of,
    report,
    standing,
    timeouts_of,
)
from ansible_collections.slipway.cloud.plugins.module_utils._report import summary
from ansible_collections.slipway.cloud.plugins.module_utils.engine.cluster import Cluster, deployment, reference
from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Cause
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import InvalidInputError
from ansible_collections.slipway.cloud.plugins.module_utils.engine.lifecycle import Action, Result
from ansible_collections.slipway.cloud.plugins.module_utils.engine.progress import ignore
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import State, Verdict

EMPTY = dict.fromkeys(("namespace", "image", "image_pull_policy", "replicas", "command", "args"))


def item(**fields: t.Any) -> dict[str, t.Any]:
    return {"name": "demo", **EMPTY, **{k: {} for k in ("env", "labels", "node_selector", "resources")}, **fields}


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [
        (None, [("task", "image", 3, {"A": "1"})]),
        ([], []),
        ([item(name="a")], [("a", "image", 3, {"A": "1"})]),
        ([item(name="b", image="own", replicas=0, env={"B": "2"})], [("b", "own", 0, {"B": "2"})]),
    ],
)
def test_clusters_inherit_what_they_do_not_name(clusters: t.Any, expected: t.Any) -> None:
    params = item(name="task", image="image", replicas=3, env={"A": "1"}, clusters=clusters)
    found = [tuple(each[key] for key in ("name", "image", "replicas", "env")) for each in items_of(params)]
    assert found == expected


def test_suboptions_that_were_filled_in_are_inherited_too() -> None:
    of_the_task, own = {"limits": {"cpu": "1"}}, {"requests": {"cpu": "1m"}, "limits": {}}
    clusters = [item(name="a", resources={"requests": {}, "limits": {}}), item(name="b", resources=own)]
    params = item(name="task", resources=of_the_task, clusters=clusters)
    assert [each["resources"] for each in items_of(params)] == [of_the_task, own]


@pytest.mark.parametrize(("own", "expected"), [(None, "context"), ("mine", "mine")])
def test_namespace(own: str | None, expected: str) -> None:
    [obj] = objects_of([item(namespace=own)], state="absent", namespace="context")
    assert obj["metadata"]["namespace"] == expected
    assert "spec" not in obj


def test_problems_of_all_clusters_are_told_at_once() -> None:
    items = [item(), item(image="x", replicas=-1), item(name="B", image="x", env={"A": True})]
    with pytest.raises(InvalidInputError) as raised:
        objects_of(items, state="present", namespace="n")
    assert [problem.partition(",")[0] for problem in raised.value.problems] == [
        "cluster 'demo' of namespace n is given 2 times",
        "cluster 'demo': image is missing",
        "cluster 'demo': replicas is -1",
        "cluster 'B': env A is True",
        "cluster 'B': name 'B' is no DNS label: at most 63 of a-z",
    ]


@pytest.mark.parametrize(
    ("value", "text", "problems"), [("a", "a", 0), (1, "1", 0), (0.5, "0.5", 0), (True, "True", 1), (None, "None", 1)]
)
def test_texts(value: t.Any, text: str, problems: int) -> None:
    found: list[str] = []
    assert texts({"k": value}, what="env", problems=found) == {"k": text}
    assert len(found) == problems


def test_limits() -> None:
    wrong = {"concurrency": 0, "wait_timeout": -1.0, "connect_timeout": 0.0}
    problems = option_problems({**wrong, "impersonate_groups": ["a"], "impersonate_user": None})
    assert [problem.split()[0] for problem in problems] == [*wrong, "impersonate_groups"]


def result(action: Action = "created", *, cause: Cause | None = None) -> Result:
    return Result(kind="Deployment", namespace="n", name="demo", action=action, cause=cause)


@pytest.mark.parametrize(
    ("action", "cause", "waited", "state", "changed"),
    [
        ("created", None, True, "available", True),
        ("created", None, False, "pending", True),
        ("unchanged", None, True, "available", False),
        ("deleted", None, True, "absent", True),
        ("deleted", None, False, "pending", True),
        ("absent", None, False, "absent", False),
        ("created", Cause("crash_loop", "it crashes"), True, "failed", True),
        ("none", Cause("forbidden", "no"), True, "failed", False),
    ],
)
def test_report(action: Action, cause: Cause | None, waited: bool, state: str, changed: bool) -> None:
    results = [result(action, cause=cause)]
    outcome = {**summary(results), **report(results, waited=waited)}
    assert (outcome["clusters"][0]["state"], outcome["changed"], len(outcome["diff"])) == (state, changed, changed)


def test_a_cluster_may_have_its_own_time() -> None:
    params = item(
        name=None, wait_timeout=300.0, clusters=[item(name="a", wait_timeout=9.0), item(name="b", wait_timeout=None)]
    )
    timeout = timeouts_of(items_of(params), namespace="n")
    assert [timeout(reference(name, "n")) for name in "ab"] == [9.0, 300.0]


@pytest.mark.parametrize(("name", "found"), [(None, ["a", "b"]), ("b", ["b"]), ("z", [])])
def test_clusters_among_deployments(name: str | None, found: list[str]) -> None:
    of_a_manifest = {"metadata": {"name": "c", "namespace": "n", "labels": {"app.kubernetes.io/managed-by": "slipway"}}}
    deployments = [reference("b", "n"), of_a_manifest, reference("a", "n")]
    assert [each["metadata"]["name"] for each in clusters_among(deployments, name=name)] == found


@pytest.mark.parametrize(
    ("verdict", "state", "code"),
    [
        (Verdict(State.DONE, "2 of 2"), "available", None),
        (Verdict(State.PENDING, "1 of 2", cause=Cause("crash_loop", "it crashes")), "pending", "crash_loop"),
        (Verdict(State.FAILED, "paused", cause=Cause("paused", "it is paused")), "failed", "paused"),
    ],
)
def test_standing(verdict: Verdict, state: str, code: str | None) -> None:
    obj = deployment(Cluster(name="a", namespace="n", image="i", replicas=2))
    obj["metadata"] |= {"uid": "u", "generation": 3, "creationTimestamp": "T"}
    told = standing({**obj, "status": {"availableReplicas": 1}}, verdict)
    assert (told["state"], told["cause"] and told["cause"]["code"], told["summary"]) == (state, code, verdict.summary)
    assert (told["replicas"], told["available"], told["image"], told["created"]) == (2, 1, "i", "T")


def test_patience() -> None:
    params = {"wait": True, "wait_timeout": 1.0, "concurrency": 1, "fail_fast": "any"}
    options = options_of({**params, "patience": {"node_label_missing": "300"}}, check_mode=False, listener=ignore)
    assert options.patience == {"node_label_missing": 300.0}
    with pytest.raises(InvalidInputError, match="patience takes seconds by the code of a cause"):
        options_of({**params, "patience": {"crash_loop": "long"}}, check_mode=False, listener=ignore)
