"""When a change is published."""

from __future__ import annotations

import math

import pytest
from slipway_publisher.debounce import Debounce


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ([], math.inf),
        ([1.0], 1.3),
        ([1.0, 1.2, 1.4], 1.7),
        ([1.0, 1.2, 2.9], 3.0),
    ],
)
def test_due(changes: list[float], due: float) -> None:
    debounce = Debounce(0.3, 2.0)
    for at in changes:
        debounce.change(at)
    assert debounce.due == pytest.approx(due)


def test_what_has_settled_is_not_due() -> None:
    debounce = Debounce(0.3, 2.0)
    debounce.change(1.0)
    debounce.settle()
    assert debounce.due == math.inf
    debounce.change(9.0)
    assert debounce.first == 9.0
    assert debounce.due == pytest.approx(9.3)
