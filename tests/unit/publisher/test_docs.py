"""What docs/publisher.md and the alert rules say of the publisher is so."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest
from slipway_publisher.metrics import Metrics
from slipway_publisher.settings import STORES, VARIABLES

from tests.support import alerts
from tests.support.paths import CHECKOUT

PAGE = (CHECKOUT / "docs" / "publisher.md").read_text()
RULES = alerts.rules(CHECKOUT / "roles" / "publisher" / "files" / "alerts.yml")


def known() -> dict[str, set[str]]:
    """The labels of every series that the publisher has once it has done everything."""
    metrics = Metrics()
    metrics.of_target("a")
    metrics.published("a", "success", 0.1)
    metrics.atomic("a", atomic=True)
    metrics.watch(lambda: 1)
    return alerts.samples(metrics.registry)


def column(heading: str, number: int) -> list[str]:
    """The cells of a column of the first table below a heading."""
    _, _, below = PAGE.partition(f"## {heading}\n")
    lines = [line for line in below.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [line.split("|")[number + 1].strip() for line in lines[2:]]


def test_every_setting_has_its_row() -> None:
    defaults = {name: text.strip("`") for name, text in zip(column("Settings", 0), column("Settings", 1), strict=True)}
    expected = {f"`{each.name}`": each.default or "" for each in VARIABLES.values()}
    expected = {name: "the host's name" if text == socket.gethostname() else text for name, text in expected.items()}
    expected |= {f"`{name}`": (re.findall(r"\[([a-z-]+)\]$", text) or [""])[0] for name, text in STORES.items()}
    assert defaults == expected


def test_every_metric_has_its_row() -> None:
    told = re.findall(r"`(slipway_\w+)", " ".join(column("Metrics", 0)))
    assert sorted(told) == sorted(alerts.ours(known()))


def test_every_alert_has_its_row() -> None:
    told = re.findall(r"`(Slipway\w+)`", " ".join(column("Alerts", 0)))
    assert sorted(told) == sorted(rule["alert"] for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_rule(rule: dict[str, Any]) -> None:
    alerts.check_complete(rule)
    alerts.check_expression(rule["expr"], known())
