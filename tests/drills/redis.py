"""Redis and its counter on the VMs of `make up`, while writers write and something is done to them: a drill a fault.

Each run is a step; the last compares the median and the worst with what is promised, and plots the worst. What each run
was like is kept in docs/results/redis-<fault>.json.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.faults.faults import FAULTS, Fault
from tests.faults.plot import plot
from tests.faults.redis_site import Site
from tests.faults.report import Report, as_json, beyond, of_json, summary
from tests.faults.run import run
from tests.support.calm import calm
from tests.support.paths import RESULTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ACKS = 20_000


@dataclass
class Drill:
    """A fault, several times."""

    name: str
    fault: Fault
    TITLE: str

    @property
    def kept(self) -> Path:
        """Where its reports are."""
        return RESULTS / f"redis-{self.name}.json"

    def steps(self) -> dict[str, Callable[[], str]]:
        """The runs, then what follows from them."""
        names = [f"{number} of {self.fault.runs}" for number in range(1, self.fault.runs + 1)]
        runs: dict[str, Callable[[], str]] = {name: partial(self.once, name) for name in names}
        return runs | {"all": partial(self.all, names)}

    def once(self, step: str) -> str:
        """Do it; keep the report."""
        calm()
        report = run(Site(), self.name, self.fault, acks=ACKS)
        reports = self.reports() | {step: report}
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        documents = {name: as_json(reports[name]) for name in sorted(reports)}
        self.kept.write_text(json.dumps(documents, separators=(",", ":")) + "\n")
        return report.text()

    def reports(self) -> dict[str, Report]:
        """What was kept."""
        documents = json.loads(self.kept.read_text()) if self.kept.exists() else {}
        return {name: of_json(document) for name, document in documents.items()}

    def all(self, names: list[str]) -> str:
        """Compare all runs with what is promised, and plot the worst."""
        kept = self.reports()
        reports = [kept[name] for name in names if name in kept]
        assert len(reports) == len(names), f"{len(reports)} of {len(names)} runs have passed"
        worst = max(reports, key=lambda report: report.clients[report.main].outage)
        plot(worst, self.fault.title, RESULTS / f"redis-{self.name}.svg")
        note, problems = summary(reports), beyond(reports, self.fault)
        assert not problems, f"{'; '.join(problems)}: {note}"
        return note


def drill(name: str, fault: Fault) -> Drill:
    """The drill of a fault."""
    return Drill(name, fault, f"Drill redis-{name}: {fault.title}, {ACKS} acknowledged writes each time")


DRILLS = {f"redis-{name}": drill(name, fault) for name, fault in FAULTS.items()}
