"""Who is listed, and what is written of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway_publisher.listing import (
    Endpoint,
    ListingError,
    Snapshot,
    digest,
    following,
    is_entry,
    join,
    latest,
    parse,
    rows,
    seconds,
    stale,
    stamp,
)

NOON = 1_795_953_600.0  # 2026-11-29T12:00:00Z


def entry(ip: str, pod: str = "pod", **fields: Any) -> dict[str, Any]:
    return {"addresses": [ip], "targetRef": {"kind": "Pod", "name": pod}, "nodeName": "node1", **fields}


def piece(*entries: dict[str, Any], revision: int = 1) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(revision)}, "endpoints": list(entries)}


def snapshot(*ips: str, last: Snapshot | None = None, generation: int = 1, now: float = NOON) -> Snapshot:
    endpoints = tuple(Endpoint(ip, f"pod-{ip}", "node1") for ip in ips)
    return following(last, endpoints, generation=generation, now=now, service="s", namespace="n")


@pytest.mark.parametrize(
    ("slices", "listed"),
    [
        ([], []),
        ([{"metadata": {}, "endpoints": None}], []),
        ([piece(entry("10.0.0.10"), entry("10.0.0.9"))], ["10.0.0.9", "10.0.0.10"]),
        ([piece(entry("fd00::2")), piece(entry("10.0.0.1"))], ["10.0.0.1", "fd00::2"]),
        ([piece(entry("FD00:0::2"), entry("fd00::2"))], ["fd00::2"]),
        ([piece(entry("10.0.0.1", conditions={"ready": False}))], []),
        ([piece(entry("10.0.0.1", conditions={"ready": None}))], ["10.0.0.1"]),
        ([piece(entry("10.0.0.2", conditions={}))], ["10.0.0.2"]),
        ([piece(entry("10.0.0.1", conditions={"ready": False, "serving": True, "terminating": True}))], []),
        ([piece(entry("a.name.example"))], []),
    ],
)
def test_join(slices: list[Any], listed: list[str]) -> None:
    assert [each.ip for each in join(slices)] == listed


def test_an_address_in_two_slices_is_that_of_the_newer_one() -> None:
    slices = [piece(entry("10.0.0.1", "new"), revision=10), piece(entry("10.0.0.1", "old"), revision=9)]
    assert [each.pod for each in join(slices)] == ["new"]


def test_what_is_no_pod_has_no_name() -> None:
    assert join([piece({"addresses": ["10.0.0.1"]})]) == (Endpoint("10.0.0.1"),)


@given(st.permutations([entry(f"10.0.0.{number}", f"pod-{number}") for number in range(6)]), st.integers(0, 6))
def test_the_order_of_slices_and_entries_does_not_count(entries: list[dict[str, Any]], cut: int) -> None:
    assert join([piece(*entries[:cut]), piece(*entries[cut:])]) == join([piece(*sorted(entries, key=str))])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Endpoint("10.0.0.1", "a", "n", "x"), Endpoint("10.0.0.1", "a", "n", "y"), True),
        (Endpoint("10.0.0.1", "a", "n"), Endpoint("10.0.0.2", "a", "n"), False),
        (Endpoint("10.0.0.1", "a", "n"), Endpoint("10.0.0.1", "b", "n"), False),
        (Endpoint("10.0.0.1", "a", "n"), Endpoint("10.0.0.1", "a", "m"), False),
    ],
)
def test_digest(one: Endpoint, other: Endpoint, same: bool) -> None:
    assert (digest([one]) == digest([other])) is same


def test_what_follows() -> None:
    first = snapshot("10.0.0.1", "10.0.0.2")
    second = snapshot("10.0.0.2", "10.0.0.3", last=first, generation=2, now=NOON + 60)
    assert second.at == "2026-11-29T12:01:00.000Z"
    assert [each.since[11:16] for each in second.endpoints] == ["12:00", "12:01"]
    assert [each.ip for each in second.came] == ["10.0.0.3"]
    assert [each.ip for each in second.went] == ["10.0.0.1"]
    again = snapshot("10.0.0.1", "10.0.0.3", last=second, generation=3, now=NOON + 120)
    assert [each.since[11:16] for each in again.endpoints] == ["12:02", "12:01"]


def test_time_never_goes_back() -> None:
    first = snapshot("10.0.0.1")
    assert snapshot(last=first, now=NOON - 3600).at == "2026-11-29T12:00:00.001Z"


def test_documents() -> None:
    first = snapshot("10.0.0.1", "fd00::1", generation=4)
    assert first.key == f"history/2026/11/29/120000.000Z-{digest(first.endpoints)[:12]}.json"
    assert json.loads(first.index) == {
        "generation": 4,
        "at": "2026-11-29T12:00:00.000Z",
        "service": "s",
        "namespace": "n",
        "history": first.key,
        "endpoints": [
            {"ip": ip, "pod": f"pod-{ip}", "node": "node1", "since": "2026-11-29T12:00:00.000Z"}
            for ip in ("10.0.0.1", "fd00::1")
        ],
    }
    assert json.loads(first.entry) == {
        **json.loads(first.index),
        "came": json.loads(first.index)["endpoints"],
        "went": [],
    }
    assert "history" not in first.context
    assert parse(first.entry) == first
    assert parse(first.index).index == first.index


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b'{"generation": 1}',
        snapshot("10.0.0.1").index.replace(b"10.0.0.1", b"x"),
    ],
)
def test_what_is_no_listing(body: bytes) -> None:
    with pytest.raises(ListingError):
        parse(body)


def test_table_of_contents() -> None:
    states = [snapshot(f"10.0.0.{number}", generation=number, now=NOON + number) for number in range(1, 120)]
    found = rows(latest(state.summary for state in states))
    assert [row["generation"] for row in found] == list(range(119, 19, -1))
    assert found[0]["came"] == ["pod-10.0.0.119"]
    for body in (b"", b"{}", b"[]", b'{"entries": 3}', b'{"entries": [{"key": 1}]}'):
        assert rows(body) == []


def test_stale() -> None:
    keys = [snapshot("10.0.0.1", now=NOON - 86400 * days).key for days in range(6)]
    assert stale(keys, count=10, days=3.5, now=NOON, kept="") == keys[4:]
    assert stale(keys, count=2, days=30, now=NOON, kept="") == keys[2:]
    assert stale(keys, count=2, days=30, now=NOON, kept=keys[5]) == keys[2:5]


@given(st.floats(0, 4e9))
def test_stamps(moment: float) -> None:
    assert abs(seconds(stamp(moment)) - moment) <= 0.0011


@pytest.mark.parametrize(
    ("key", "so"),
    [("history/2026/11/29/120000.000Z-ab.json", True), ("history/latest.json", False), ("index.json", False)],
)
def test_entries(key: str, so: bool) -> None:
    assert is_entry(key) is so
