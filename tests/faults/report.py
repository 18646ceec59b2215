"""What there is to say of a run, and of several. Pure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.faults import checker
from tests.faults.history import OK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.faults.faults import Fault
    from tests.faults.history import History

SAFE = ("aware", "plain", "inside", "inside-plain", "counter")  # clients who wait for a replica: they lose nothing
LEAST = 200.0  # acknowledged writes a second
COLD = 60.0  # seconds from the last start of a data container until there is a master
BUCKET = 0.5


@dataclass(frozen=True)
class Evidence:
    """What was seen: ``first``, ``last`` and ``replayed`` of the counter, what was done when, and what followed."""

    history: History
    stored: Mapping[tuple[str, int], Sequence[int]]
    first: int
    last: int
    replayed: Mapping[checker.Name, int]
    notes: Sequence[tuple[float, str]]
    last_start: float
    whole: float


@dataclass(frozen=True)
class Client:
    """What one saw: counts of the checker, the longest time without an acknowledged write, writes a second else."""

    acked: int
    unsure: int
    refused: int
    wrong: dict[str, int]
    stale: int
    outage: float
    rate: float

    def text(self) -> str:
        """In a few words."""
        bad = ", ".join(f"{count} {name}" for name, count in self.wrong.items()) or "0 lost"
        return f"{self.outage:.1f} s out, {self.acked} acknowledged, {bad}"


@dataclass(frozen=True)
class Report:
    """What came of a run, in seconds.

    ``failover``: from the first Sentinel that missed the master to the first that named another. ``whole``: until
    everything was in sync after the fault. ``started``: from the last start of a data container to the next
    acknowledged write. ``notes`` and ``acks`` (by client, in each half second) count from the first write.
    """

    fault: str
    clients: dict[str, Client]
    failover: float | None
    switches: int
    two_masters: float
    whole: float
    started: float
    notes: list[tuple[float, str]]
    acks: dict[str, list[int]]

    @property
    def main(self) -> str:
        """The client that has most writes."""
        return "aware" if "aware" in self.clients else "counter"

    def text(self) -> str:
        """In a line."""
        said = [f"{name}: {client.text()}" for name, client in self.clients.items() if not name.startswith("at-")]
        if self.failover is not None:
            said.append(f"fail-over {self.failover:.1f} s")
        if any(name.startswith("at-") for name in self.clients):
            said.append(f"two masters {self.two_masters:.1f} s")
        return "; ".join([*said, f"{self.clients[self.main].rate:.0f}/s, whole after {self.whole:.0f} s"])


def reported(name: str, seen: Evidence, master_name: str) -> Report:
    """Judge a run."""
    ops = seen.history.ops
    began, since = min(op.began for op in ops), seen.notes[0][0]
    names = sorted({op.client for op in ops})
    clients = {each: _client(each, seen) for each in names}
    spans = [checker.accepting(seen.history.of(each).ops) for each in names if each.startswith("at-")]
    return Report(
        name,
        clients,
        failover=checker.failover(seen.history, since, master_name),
        switches=checker.switches(seen.history, since, master_name),
        two_masters=round(checker.together(spans), 3),
        whole=round(seen.whole, 1),
        started=_started(seen, since),
        notes=[(round(at - began, 2), text) for at, text in sorted([*seen.notes, *_told(seen, since, master_name)])],
        acks={each: buckets(seen.history.of(each), began) for each in names},
    )


def _told(seen: Evidence, since: float, master_name: str) -> list[tuple[float, str]]:
    """When the Sentinels missed the master, and named another, each as the first of them said it."""
    words = {"+sdown": f"master {master_name} ", "+switch-master": f"{master_name} "}
    found: dict[tuple[str, str], float] = {}
    for event in seen.history.events:
        if event.at >= since and event.channel in words and event.text.startswith(words[event.channel]):
            found.setdefault((event.channel, event.text), event.at)
    return [(at, channel) for (channel, _text), at in found.items()]


def _started(seen: Evidence, since: float) -> float:
    """Seconds from the last start of a data container, if the fault had one, to the next acknowledged write."""
    if seen.last_start < since:
        return 0.0
    later = (op.ended for op in seen.history.ops if op.outcome == OK and op.client in SAFE)
    return round(min((at for at in later if at >= seen.last_start), default=math.inf) - seen.last_start, 1)


def _client(name: str, seen: Evidence) -> Client:
    own = seen.history.of(name)
    if name == "counter":
        verdict = checker.judge_counts(own, seen.first, seen.last, seen.replayed)
    else:
        verdict = checker.judge_lists(own, {who: found for who, found in seen.stored.items() if who[0] == name})
    start, end = min(op.began for op in own.ops), max(op.began for op in own.ops)
    return Client(
        verdict.acked,
        verdict.unsure,
        verdict.refused,
        verdict.wrong,
        len(verdict.stale),
        round(checker.outage(own.ops, start, end).seconds, 3),
        round(checker.rate(own.ops), 1),
    )


def buckets(history: History, began: float) -> list[int]:
    """Acknowledged writes in each half second."""
    counts = Counter(int((op.ended - began) / BUCKET) for op in history.ops if op.outcome == OK)
    return [counts[number] for number in range(max(counts, default=-1) + 1)]


def wrong(report: Report, fault: Fault, lag: float) -> list[str]:
    """What must not be in any run, whatever it took."""
    safe = [] if fault.loses else [name for name in SAFE if name in report.clients]
    found = [f"{name}: {report.clients[name].wrong}" for name in safe if report.clients[name].wrong]
    found += [
        f"{name} lost nothing, so the checker is not to be believed"
        for name in fault.loses
        if not report.clients[name].wrong.get("lost")
    ]
    most = fault.switches if fault.switches is not None else report.switches
    rules = [
        (report.clients[report.main].rate >= LEAST, f"{report.main}: only {report.clients[report.main].rate:g}/s"),
        (report.two_masters <= lag + 1, f"two masters for {report.two_masters:g} s"),
        (report.started <= COLD, f"no master for {report.started:g} s after the last start"),
        (report.switches <= most, f"the master moved {report.switches} times"),
    ]
    return found + [text for holds, text in rules if not holds]


def beyond(reports: Iterable[Report], fault: Fault) -> list[str]:
    """The bounds that several runs of a fault do not keep."""
    reports = list(reports)
    found = []
    for name, bound in fault.bounds.items():
        seconds = [each.clients[name].outage for each in reports if name in each.clients]
        if not seconds:
            found.append(f"{name} did not write")
        elif max(seconds) > bound.worst:
            found.append(f"{name}: {max(seconds):.1f} s out at worst, allowed {bound.worst:g} s")
        elif len(seconds) > 1 and bound.median is not None and median(seconds) > bound.median:
            found.append(f"{name}: {median(seconds):.1f} s out in the median, allowed {bound.median:g} s")
    return found


def summary(reports: Sequence[Report]) -> str:
    """Median and worst of several runs, by client, and what was lost in all."""
    names = [name for name in dict.fromkeys(name for each in reports for name in each.clients) if name[:3] != "at-"]
    said = []
    for name in names:
        clients = [each.clients[name] for each in reports if name in each.clients]
        seconds = [each.outage for each in clients]
        lost = sum(each.wrong.get("lost", 0) for each in clients)
        acked = sum(each.acked for each in clients)
        said.append(f"{name} median {median(seconds):.1f} s, worst {max(seconds):.1f} s, {lost} of {acked} lost")
    failovers = [each.failover for each in reports if each.failover is not None]
    if failovers:
        said.append(f"fail-over median {median(failovers):.1f} s, worst {max(failovers):.1f} s")
    if any(name.startswith("at-") for each in reports for name in each.clients):
        said.append(f"two masters at most {max(each.two_masters for each in reports):.1f} s")
    return "; ".join([*said, f"whole after {max(each.whole for each in reports):.0f} s at most"])


def as_json(report: Report) -> dict[str, Any]:
    """To be kept."""
    return asdict(report)


def of_json(document: Mapping[str, Any]) -> Report:
    """What was kept."""
    clients = {name: Client(**each) for name, each in document["clients"].items()}
    notes = [(at, text) for at, text in document["notes"]]
    return Report(**{**document, "clients": clients, "notes": notes})
