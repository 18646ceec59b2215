"""The benchmark in its short form: as fast as kubectl, within what two rounds can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.contenders import LARGE, MANY, Site
from tests.bench.measure import as_kubectl, rounds, too_slow
from tests.bench.report import table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.kubernetes import Kubernetes


def test_as_fast_as_kubectl(kubernetes: Kubernetes, namespace: str, pause: str, tmp_path: Path) -> None:
    samples = list(rounds(2, Site(kubernetes, namespace, pause, tmp_path), cases=(LARGE, MANY)))
    print(table(samples))
    # Looser than in `make bench`: two rounds on a machine that runs the pods as well tell no more.
    assert too_slow(samples, bounds=as_kubectl(1.5)) == []
