"""What a report says, and what it finds wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.faults.faults import Bound, Fault
from tests.faults.history import NO, OK, Event, History, Op
from tests.faults.plot import plot
from tests.faults.report import Client, Evidence, Report, as_json, beyond, buckets, of_json, reported, summary, wrong

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GOOD = Client(2000, 3, 4, {}, 0, 7.5, 236.0)
REPORT = Report("kill", {"aware": GOOD}, 6.2, 1, 0.5, 12.0, 1.0, [(8.0, "redis-0 killed")], {"aware": [120, 0, 118]})


def fault(**values: object) -> Fault:
    return replace(Fault("kill -9 of the master", lambda _: None), **values)  # type: ignore[arg-type]


def with_client(**values: object) -> Report:
    return replace(REPORT, clients={"aware": replace(GOOD, **values)})  # type: ignore[arg-type]


def write(number: int, client: str, outcome: str = OK) -> Op:
    return Op(client, 0, number, 100 + 0.1 * number, 100.05 + 0.1 * number, outcome, number if outcome == OK else 0)


def test_reported() -> None:
    ops = [write(number, "aware") for number in (*range(1, 11), *range(61, 71))]
    ops += [write(number, "at-redis-0") for number in range(1, 11)]
    ops += [write(number, "at-redis-1") for number in range(10, 20)]
    ops += [write(11, "aware", NO)]
    events = [
        Event(101.5, "s0", "+sdown", "master redis-redis 10.0.0.1 6379"),
        Event(102.5, "s0", "+switch-master", "redis-redis 10.0.0.1 6379 10.0.0.2 6379"),
    ]
    stored = {("aware", 0): [*range(1, 10), *range(61, 71)], ("at-redis-0", 0): list(range(1, 11))}
    seen = Evidence(History(ops, [], events), stored, 0, 0, {}, [(101.1, "killed")], 104.0, 3.0)
    report = reported("kill", seen, "redis-redis")
    assert report.clients["aware"].wrong == {"lost": 1}
    assert report.clients["aware"].outage == pytest.approx(5.1)
    assert (report.failover, report.switches, report.whole) == (1.0, 1, 3.0)
    assert report.two_masters == pytest.approx(0.05)
    assert report.started == 2.1
    assert report.notes == [(1.0, "killed"), (1.4, "+sdown"), (2.4, "+switch-master")]
    assert report.acks["aware"] == [5, 5, *[0] * 10, 5, 5]
    assert reported("kill", replace(seen, last_start=99.0), "redis-redis").started == 0  # that was before the fault


def test_reported_of_the_counter() -> None:
    ops = [write(number, "counter") for number in range(1, 21)]
    replayed = {op[:3]: op.value for op in ops[:-1]}
    report = reported("all-power", Evidence(History(ops), {}, 0, 20, replayed, [(100, "cut")], 0, 1), "m")
    assert (report.main, report.clients["counter"].wrong) == ("counter", {"lost": 1})


def test_buckets() -> None:
    assert buckets(History([write(number, "a") for number in (1, 2, 6, 21)]), 100) == [2, 1, 0, 0, 1]
    assert buckets(History([write(1, "a", NO)]), 100) == []


@pytest.mark.parametrize(
    ("report", "how", "expected"),
    [
        (REPORT, {}, []),
        (with_client(wrong={"lost": 2}), {}, ["aware: {'lost': 2}"]),
        (with_client(rate=150.0), {}, ["aware: only 150/s"]),
        (replace(REPORT, two_masters=4.5), {}, ["two masters for 4.5 s"]),
        (replace(REPORT, started=61.0), {}, ["no master for 61 s after the last start"]),
        (replace(REPORT, switches=2), {"switches": 1}, ["the master moved 2 times"]),
        (REPORT, {"loses": ("aware",)}, ["aware lost nothing, so the checker is not to be believed"]),
        (with_client(wrong={"lost": 2}), {"loses": ("aware",)}, []),
    ],
)
def test_wrong(report: Report, how: Mapping[str, object], expected: list[str]) -> None:
    assert wrong(report, fault(**how), 3) == expected


@pytest.mark.parametrize(
    ("outages", "expected"),
    [
        ([7.5], []),
        ([8.5], []),  # of one run there is no median
        ([7, 8, 9.9], []),
        ([8.5, 9, 2], ["aware: 8.5 s out in the median, allowed 8 s"]),
        ([7, 7, 10.5], ["aware: 10.5 s out at worst, allowed 10 s"]),
    ],
)
def test_beyond(outages: list[float], expected: list[str]) -> None:
    reports = [with_client(outage=each) for each in outages]
    assert beyond(reports, fault(bounds={"aware": Bound(10.0, 8.0)})) == expected


def test_beyond_for_who_is_missing() -> None:
    assert beyond([REPORT], fault(bounds={"counter": Bound(15.0)})) == ["counter did not write"]


def test_summary() -> None:
    reports = [with_client(outage=each, wrong={"lost": 1}) for each in (6.0, 7.0, 9.0)]
    assert summary(reports) == (
        "aware median 7.0 s, worst 9.0 s, 3 of 6000 lost; fail-over median 6.2 s, worst 6.2 s; whole after 12 s at most"
    )


def test_report_is_read_as_it_was_written() -> None:
    assert of_json(json.loads(json.dumps(as_json(REPORT)))) == REPORT


def test_plot_follows_from_the_report(tmp_path: Path) -> None:
    first, second = tmp_path / "1.svg", tmp_path / "2.svg"
    for path in (first, second):
        plot(REPORT, "kill -9", path)
    assert first.read_bytes() == second.read_bytes()
    assert "redis-0 killed" in first.read_text()
