"""`make up` once more on a site that is up: nothing is changed, and it is soon done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.kubernetes import succeed
from tests.support.make import Make

if TYPE_CHECKING:
    from tests.support.kubernetes import Kubernetes

SOON = 180.0  # seconds that the whole command may take


def test_up_again_changes_nothing(kubernetes: Kubernetes) -> None:
    again = succeed(Make(kubernetes.vm_set).up())
    assert again.changed == []
    assert again.seconds <= SOON
