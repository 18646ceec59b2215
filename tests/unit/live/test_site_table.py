"""Rows of the site's table are judged by the whole answer."""

from __future__ import annotations

import pytest
import yaml

from tests.live.site_table import ROWS, Row, complaint
from tests.support.paths import CHECKOUT


@pytest.mark.parametrize(
    ("expected", "answer", "right"),
    [
        ("ok", "ok\n", True),
        ("ok", "not ok", False),
        (r"([1-9]\d*) of \1", "3 of 3", True),
        (r"([1-9]\d*) of \1", "2 of 3", False),
        (r"([1-9]\d*) of \1", " of 3", False),
        ("", "node/node2", False),
    ],
)
def test_complaint(expected: str, answer: str, right: bool) -> None:
    asked: list[tuple[str, ...]] = []

    def kubectl(*arguments: str) -> str:
        asked.append(arguments)
        return answer

    found = complaint(Row("x", "get it -n {namespace} --output='a b'", expected), kubectl, namespace="team")
    assert asked == [("get", "it", "-n", "team", "--output=a b")]
    assert (found == "") == right


def test_every_role_that_writes_to_kubernetes_has_a_row() -> None:
    plays = yaml.safe_load((CHECKOUT / "playbooks/site.yml").read_text())
    roles = {role["role"] for play in plays if play["hosts"] == "controller" for role in play["roles"]}
    assert roles - {row.role for row in ROWS} == set()
