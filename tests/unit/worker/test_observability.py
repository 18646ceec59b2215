"""The dashboard and the alert rules speak of metrics that the worker has, by labels that these have."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from slipway_worker.metrics import Metrics

from tests.support.paths import CHECKOUT

FILES = CHECKOUT / "roles" / "worker" / "files"
OF_OTHERS = {"instance", "le"}  # labels that Prometheus adds, and those of histograms


class Streams:
    def ages(self) -> dict[tuple[str, str], float]:
        return {("pods", "clusters"): 1.0}

    def restarts(self) -> dict[tuple[str, str], int]:
        return {("pods", "clusters"): 1}


class Ends:
    def ends(self) -> dict[str, float]:
        return {"server": 1.0, "ca": 1.0}


def samples() -> dict[str, set[str]]:
    """The labels of every series that the worker has once it has done everything."""
    metrics = Metrics()
    metrics.watch(Streams(), Ends())
    metrics.observe_request("CreateCluster", "OK", 1.0)
    metrics.observe_phases("CreateCluster", {"applied": 1.0})
    metrics.own("CreateCluster", "before_api", 0.001)
    metrics.joined()
    metrics.conflict()
    with metrics.in_flight("CreateCluster"):
        families = list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def expressions() -> list[tuple[str, str]]:
    rules = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((FILES / "dashboard.json").read_text())["panels"]
    alerts = [(rule["alert"], rule["expr"]) for rule in rules]
    return alerts + [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize(("name", "expression"), expressions())
def test_expression(name: str, expression: str) -> None:
    known = samples()
    used = set(re.findall(r"\b(?:slipway|process)_\w+", expression))
    assert used, name
    assert used <= known.keys()
    labels = {label for metric in used for label in known[metric]} | OF_OTHERS
    grouped = re.findall(r"by \(([^)]*)\)", expression) + re.findall(r"\{(\w+)[=!]", expression)
    assert {label.strip() for each in grouped for label in each.split(",")} <= labels
    assert expression.count("(") == expression.count(")")


def test_everything_of_ours_is_shown() -> None:
    shown = " ".join(expression for _name, expression in expressions())
    families = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in samples()}
    ours = {name for name in families if name.startswith("slipway_") and not name.endswith("_created")}
    assert {name for name in ours if name not in shown} == set()


def test_rules_are_complete() -> None:
    for rule in yaml.safe_load((FILES / "alerts.yml").read_text())["groups"][0]["rules"]:
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
