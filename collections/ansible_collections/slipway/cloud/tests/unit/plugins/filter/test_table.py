# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.slipway.cloud.plugins.filter.table import table

ROWS = [{"name": "a", "s": 1.5, "n": 10}, {"name": "long", "s": None, "n": 7}]


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        pytest.param(ROWS, None, ["name     s   n", "a     1.50  10", "long     -   7"], id="every key"),
        pytest.param(ROWS, ["n", "name"], [" n  name", "10  a", " 7  long"], id="chosen keys, in order"),
        pytest.param([{"a": "x"}], ["a", "b"], ["a  b", "x  -"], id="a key that is missing"),
        pytest.param([{"a": True}, {"a": False}], ["a"], ["a", "yes", "no"], id="booleans"),
        pytest.param([], ["a", "b"], ["a  b"], id="no rows"),
    ],
)
def test_table(rows: list[dict[str, object]], columns: list[str] | None, expected: list[str]) -> None:
    assert table(rows, columns).split("\n") == expected


def test_rows_that_are_no_dictionaries_are_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="list of dictionaries"):
        table(["a"])  # type: ignore[list-item]
