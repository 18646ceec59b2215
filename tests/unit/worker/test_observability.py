"""The dashboard and the alert rules speak of metrics that the worker has, by labels that these have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from slipway_worker.metrics import Metrics

from tests.support import alerts
from tests.support.paths import CHECKOUT

FILES = CHECKOUT / "roles" / "worker" / "files"


class Streams:
    def ages(self) -> dict[tuple[str, str], float]:
        return {("pods", "clusters"): 1.0}

    def restarts(self) -> dict[tuple[str, str], int]:
        return {("pods", "clusters"): 1}


class Ends:
    def ends(self) -> dict[str, float]:
        return {"server": 1.0, "ca": 1.0}


def known() -> dict[str, set[str]]:
    """The labels of every series that the worker has once it has done everything."""
    metrics = Metrics()
    metrics.watch(Streams(), Ends())
    metrics.observe_request("CreateCluster", "OK", 1.0)
    metrics.observe_phases("CreateCluster", {"applied": 1.0})
    metrics.own("CreateCluster", "before_api", 0.001)
    metrics.joined()
    metrics.conflict()
    with metrics.in_flight("CreateCluster"):
        return alerts.samples(metrics.registry)


def expressions() -> list[tuple[str, str]]:
    panels = json.loads((FILES / "dashboard.json").read_text())["panels"]
    told = [(rule["alert"], rule["expr"]) for rule in alerts.rules(FILES / "alerts.yml")]
    return told + [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize(("name", "expression"), expressions())
def test_expression(name: str, expression: str) -> None:
    assert name
    alerts.check_expression(expression, known())


def test_everything_of_ours_is_shown() -> None:
    shown = " ".join(expression for _name, expression in expressions())
    assert {name for name in alerts.ours(known()) if name not in shown} == set()


@pytest.mark.parametrize("rule", alerts.rules(FILES / "alerts.yml"), ids=lambda rule: rule["alert"])
def test_rules_are_complete(rule: dict[str, Any]) -> None:
    alerts.check_complete(rule)
