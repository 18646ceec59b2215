"""The alert rules speak of the objects that the role applies, and each has its row in the documentation."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.support import alerts
from tests.support.paths import CHECKOUT
from tests.support.pool import ROLE, rendered

RULES = alerts.rules(ROLE / "files" / "alerts.yml")
KINDS = {"deployment": "Deployment", "horizontalpodautoscaler": "HorizontalPodAutoscaler"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_rule(rule: dict[str, Any]) -> None:
    alerts.check_complete(rule)
    assert f"`{rule['alert']}`" in (CHECKOUT / "docs" / "operations.md").read_text()


def test_they_name_what_is_there() -> None:
    documents = filter(None, yaml.safe_load_all(rendered("nginx-pool.yaml.j2")))
    objects = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    named = set(re.findall(r'\b(deployment|horizontalpodautoscaler|container)="([^"]+)"', str(RULES)))
    containers = objects["Deployment", "nginx-pool"]["spec"]["template"]["spec"]["containers"]
    there = {("container", each["name"]) for each in containers}
    assert named == there | {(label, "nginx-pool") for label, kind in KINDS.items() if (kind, "nginx-pool") in objects}
