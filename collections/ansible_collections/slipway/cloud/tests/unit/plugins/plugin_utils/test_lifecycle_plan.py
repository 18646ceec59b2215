# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what a file of objects and steps may hold."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import InvalidInputError
from ansible_collections.slipway.cloud.plugins.plugin_utils._lifecycle_plan import STEPS, plan_of

THING = "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: a}\n"
SEED = [("create", {}), ("wait", {}), ("scale", {"replicas": 2}), ("wait", {}), ("delete", {})]


def steps(text: str) -> list[tuple[str, dict[str, t.Any]]]:
    known = ("number", "step", "state")
    found = plan_of(text, origin="x.yaml").steps
    assert [each["number"] for each in found] == list(range(1, len(found) + 1))
    return [(each["step"], {key: value for key, value in each.items() if key not in known}) for each in found]


def test_the_seed_is_a_file_with_nothing_but_an_object() -> None:
    assert steps(THING) == SEED
    assert steps(json.dumps({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a"}})) == SEED


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("[delete, create]", [("delete", {}), ("create", {})]),
        ("[{create: {replicas: 3, timeout: 9}}]", [("create", {"replicas": 3, "timeout": 9.0})]),
        ("[{wait: 60}]", [("wait", {"timeout": 60.0})]),
        ("[{scale: 0}]", [("scale", {"replicas": 0})]),
        ("[{scale: {replicas: '5', timeout: 1}}]", [("scale", {"replicas": 5, "timeout": 1.0})]),
        ("[{patch: {spec: {a: 1}}}]", [("patch", {"patch": {"spec": {"a": 1}}})]),
        ("[pause]", [("pause", {})]),
        ("[{pause: 5}]", [("pause", {"seconds": 5})]),
        ("[{pause: {prompt: Try it}}]", [("pause", {"prompt": "Try it"})]),
        (
            "[{request: {service: a, port: 80, status: 200}}]",
            [("request", {"service": "a", "port": "80", "status": [200]})],
        ),
        ("[restart]", [("restart", {})]),
    ],
)
def test_steps(declared: str, expected: list[tuple[str, t.Any]]) -> None:
    assert steps(f"{THING}---\nsteps: {declared}") == expected


def test_each_step_is_told_what_it_brings_about_and_with_what() -> None:
    job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: b}\n"
    plan = plan_of(f"{THING}---\n{job}---\nsteps: [create, scale: 2, pause]", origin="x.yaml")
    assert [each["state"] for each in plan.steps] == ["present", "scaled", ""]
    assert {step: [each["kind"] for each in takers] for step, takers in plan.takers.items()} == {
        "create": ["Thing", "Job"],
        "scale": ["Thing"],
        "pause": ["Thing", "Job"],
    }


def test_step_for_which_there_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="step 3, scale: none of the objects"):
        plan_of("apiVersion: batch/v1\nkind: Job\nmetadata: {name: b}\n", origin="x.yaml")


def test_resources_and_clusters() -> None:
    text = """
namespace: models
clusters: [{name: web, image: i, replicas: 2}, {name: db, image: i, namespace: own}]
resources:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}
---
apiVersion: example.org/v1
kind: Thing
metadata: {name: a}
"""
    plan = plan_of(text, origin="x.yaml")
    names = [(each.obj["kind"], each.obj["metadata"]["name"]) for each in plan.documents]
    assert names == [("Thing", "a"), ("ConfigMap", "settings"), ("Deployment", "web"), ("Deployment", "db")]
    assert [each.obj["metadata"].get("namespace") for each in plan.documents[2:]] == [None, "own"]
    assert plan.documents[2].obj["spec"]["replicas"] == 2
    assert plan.namespace == "models"


WRONG = {
    "unknown step": ("steps: [create, scael: 2]", r"step 2: there is no step 'scael', did you mean scale\?"),
    "like no step": ("steps: [xyz]", f"step 1: there is no step 'xyz': know {', '.join(sorted(STEPS))}"),
    "unknown option": (
        "steps: [{scale: {replica: 2, replicas: 2}}]",
        r"step 1, scale: there is no option 'replica', did you mean replicas\?",
    ),
    "option missing": ("steps: [scale]", r"step 1, scale: missing required arguments: replicas"),
    "no number": ("steps: [{scale: two}]", r"step 1, scale: .*two.* cannot be converted to an int"),
    "no value": ("steps: [{restart: 5}]", r"step 1, restart: takes no value, but options: timeout"),
    "choice": ("steps: [{request: {service: a, via: air}}]", r"step 1, request: value of via must be one of"),
    "no step": ("steps: [5]", r"step 1 is neither a name nor one name with its options: 5"),
    "no list": ("steps: create", r"steps is no list but str"),
    "unknown key": ("step: [create]", r"x\.yaml: there is no key 'step', did you mean steps\?"),
    "wrong cluster": (
        "clusters: [{name: web, imgae: i}]",
        r"cluster 1: there is no option 'imgae', did you mean image\?",
    ),
    "no image": ("clusters: [{name: web}]", r"cluster 'web': image is missing"),
    "wrong rule": ("ready_when: [{jsonpath: '.status.['}]", r"jsonpath '\.status\.\[' cannot be read"),
    "wrong operator": ("fail_when: [{jsonpath: .a, operator: is}]", r"operator 'is' of \.a is none of =="),
    "no object": ("resources: [{kind: Pod}]", r"x\.yaml, document 2: has no apiVersion"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_wrong(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        plan_of(f"{THING}---\n{text}", origin="x.yaml")


@pytest.mark.parametrize("text", ["steps: [create]", "{}", "resources: []"])
def test_steps_need_objects(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"x\.yaml names neither resources nor clusters"):
        plan_of(text, origin="x.yaml")


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = f"{THING}---\nsteps: [scael, {{scale: two}}]\nclusters: [{{name: web}}]\nresources: [5]"
    with pytest.raises(InvalidInputError) as error:
        plan_of(text, origin="x.yaml")
    assert len(error.value.problems) == 4
