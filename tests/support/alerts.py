"""Rules for Prometheus, checked against the metrics of the program that they are about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from prometheus_client import CollectorRegistry

OF_OTHERS = {"instance", "le"}  # labels that Prometheus adds, and those of histograms


def samples(registry: CollectorRegistry) -> dict[str, set[str]]:
    """The labels of every series that a registry has."""
    # Not there for the tests that run with the newest Ansible too.
    from prometheus_client import generate_latest
    from prometheus_client.parser import text_string_to_metric_families

    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def rules(path: Path) -> list[dict[str, Any]]:
    """The rules of a file."""
    (group,) = yaml.safe_load(path.read_text())["groups"]
    return list(group["rules"])


def check_expression(expression: str, known: dict[str, set[str]]) -> None:
    """Raise AssertionError for an expression about metrics or labels that are none of `known`."""
    used = set(re.findall(r"\b(?:slipway|process)_\w+", expression))
    assert used
    assert used <= known.keys()
    labels = {label for metric in used for label in known[metric]} | OF_OTHERS
    grouped = re.findall(r"by \(([^)]*)\)", expression) + re.findall(r"\{(\w+)[=!]", expression)
    assert {label.strip() for each in grouped for label in each.split(",")} <= labels
    assert expression.count("(") == expression.count(")")


def check_complete(rule: dict[str, Any]) -> None:
    """Raise AssertionError for a rule that does not say what it means."""
    assert rule["expr"].count("(") == rule["expr"].count(")")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["labels"]["severity"] in {"warning", "critical"}


def ours(known: dict[str, set[str]]) -> set[str]:
    """The names of a program's own metrics, without what a histogram appends."""
    names = {re.sub(r"_(bucket|count|sum)$", "", name) for name in known if not name.endswith("_created")}
    return {name for name in names if name.startswith("slipway_")}
