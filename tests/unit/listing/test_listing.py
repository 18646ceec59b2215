"""What follows from observations of the listing, and how requests are seen to end."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import struct
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.listing import (
    Endpoint,
    Load,
    Read,
    Reader,
    Request,
    State,
    changes,
    connection_to,
    failure,
    history,
    isolated,
    judged,
    lag,
    lasting,
    missing,
    outage,
    p95,
    ready_endpoints,
    regressions,
    resumed,
    sent,
    take,
    told,
    unlike_a_history,
)
from tests.support.neighbours import moved
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

A, B = (frozenset({Endpoint(f"10.0.0.{number}", f"pod-{number}", "node1")}) for number in (1, 2))


def states(*rows: tuple[float, frozenset[Endpoint]]) -> list[State]:
    return [State(at, number, endpoints) for number, (at, endpoints) in enumerate(rows)]


def piece(*conditions: bool | None, name: str = "one") -> dict[str, Any]:
    endpoints = [
        {
            "addresses": [f"10.0.0.{number}"],
            "conditions": {} if ready is None else {"ready": ready},
            "nodeName": "node1",
            "targetRef": {"kind": "Pod", "name": f"pod-{number}"},
        }
        for number, ready in enumerate(conditions, start=1)
    ]
    meta = {"name": name, "resourceVersion": "7"}
    return {"kind": "EndpointSlice", "metadata": meta, "endpoints": endpoints}


def test_only_who_is_ready_counts() -> None:
    assert ready_endpoints([piece(True, False, None), {"endpoints": None}]) == A


def test_events_of_a_watch() -> None:
    slices: dict[str, Any] = {}
    seen: list[State] = []
    for kind, obj in (
        ("ADDED", piece(False)),
        ("MODIFIED", piece(True)),
        ("ADDED", piece(False, True, name="two")),
        ("BOOKMARK", {"kind": "Status"}),
        ("DELETED", piece(True)),
    ):
        take(slices, seen, {"type": kind, "object": obj}, 1.0)
    assert [state.endpoints for state in seen] == [frozenset(), A, A | B, B]
    assert {state.revision for state in seen} == {7}


def test_same_sets_in_a_row_are_one() -> None:
    assert [state.at for state in changes(states((0, A), (1, A), (2, B), (3, A), (4, A)))] == [0, 2, 3]


@pytest.mark.parametrize(
    ("times", "expected"),
    [((0, 3, 6), [3, 6]), ((0, 2.9, 6), [6]), ((0, 3, 5.9, 9), [9]), ((0,), [])],
    ids=["all", "too soon after the first", "too soon before the next", "nothing but the first"],
)
def test_isolated(times: tuple[float, ...], expected: list[float]) -> None:
    assert [state.at for state in isolated(states(*((at, A) for at in times)))] == expected


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([(10.1, A), (10.5, B), (11, B)], 0.6),
        ([(10.1, B), (10.3, A), (10.7, B)], 0.8),  # one pod of the pool was behind another
        ([(10.1, B), (10.3, A)], None),
        ([(9.5, B)], None),
        ([(10.2, B), (13.5, A)], 0.3),  # after the next change
    ],
    ids=["seen", "seen by all at last", "not to the end", "before it", "until the next"],
)
def test_lag(reads: list[tuple[float, frozenset[Endpoint]]], expected: float | None) -> None:
    [state] = states((10, B))
    found = lag(state, 13, [Read(began, began + 0.1, 1, endpoints) for began, endpoints in reads])
    assert found == (expected and pytest.approx(expected))


def test_lasting_up_to_the_end() -> None:
    rows = states((0, A), (2, B), (3, A))
    assert [state.at for state in lasting(rows, 2, end=4.9)] == [0]
    assert [state.at for state in lasting(rows, 2, end=5)] == [0, 3]


@pytest.mark.parametrize(
    ("reads", "expected"),
    [([(0, 4), (6, 4), (9, 5)], 4.1), ([(0, 4), (6, 4)], None), ([(6, 1)], 1.1)],
    ids=["later", "never", "nothing before"],
)
def test_resumed(reads: list[tuple[float, int]], expected: float | None) -> None:
    found = resumed([Read(began, began + 0.1, generation, A) for began, generation in reads], 5)
    assert found == (expected and pytest.approx(expected))


def test_regressions_but_for_the_caches() -> None:
    reads = [
        Read(began, began + 0.1, generation, A) for began, generation in ((0, 4), (1, 5), (1.4, 4), (2, 4), (3, 6))
    ]
    assert regressions(reads, 0.5) == [(5, 4)]
    assert len(regressions(reads, 0.1)) == 2


def requests(*rows: tuple[float, str]) -> list[Request]:
    return [Request(began, 0.1, outcome) for began, outcome in rows]


def test_reset_by_a_move_counts_apart() -> None:
    sent_at = requests((0, "200"), (1, "reset"), (1.2, "timeout"), (5, "reset"))
    failed, apart = judged([*sent_at, Request(6, 2.1, "200")], [1.25], 0.2)
    assert [request.began for request in failed] == [1.2, 5, 6]
    assert apart == {1.25: 1}


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [("gggg", 0), ("gbbgbgg", 0.4), ("gbgb", None), ("bgg", 0.1)],
    ids=["none", "from the first bad", "no two in a row", "at the start"],
)
def test_outage(outcomes: str, expected: float | None) -> None:
    words = {"g": "200", "b": "timeout"}
    found = outage(requests(*((number / 10, words[each]) for number, each in enumerate(outcomes))), 2)
    assert found == (expected and pytest.approx(expected))


def test_p95() -> None:
    assert p95([1.0, 9.0]) == 9
    assert p95([float(number) for number in range(101)]) == 95


def test_told() -> None:
    assert told([*requests((0, "200"), (1, "200"), (2, "503")), Request(3, 2.5, "200")]) == "2 200, 1 503, 1 late"


def test_moves_of_an_address() -> None:
    lines = [
        "10.77.1.200 dev slipway-a lladdr 02:00:00:00:00:01 REACHABLE",
        "10.77.1.200 dev slipway-a lladdr 02:00:00:00:00:01 STALE",
        "10.77.1.201 dev slipway-a lladdr 02:00:00:00:00:09 REACHABLE",
        "Deleted 10.77.1.200 dev slipway-a lladdr 02:00:00:00:00:01 STALE",
        "10.77.1.200 dev slipway-a  FAILED",
        "10.77.1.200 dev slipway-a lladdr 02:00:00:00:00:02 STALE",
    ]
    assert moved(lines, "10.77.1.200") == ["02:00:00:00:00:01", "02:00:00:00:00:02"]


def entry(generation: int, at: str, endpoints: frozenset[Endpoint]) -> dict[str, Any]:
    return {"generation": generation, "at": at, "endpoints": [each._asdict() for each in endpoints]}


def test_history_in_order() -> None:
    good = [entry(3, "T3", A), entry(2, "T2", B), entry(1, "T1", A)]
    assert unlike_a_history(good) == []
    assert missing(states((0, A), (1, A | B)), good) == states((0, A), (1, A | B))[1:]
    bad = [entry(2, "T3", A), entry(2, "T3", A)]
    assert unlike_a_history(bad) == [f"2 to 2: no {what}" for what in ("generation", "time", "change")]


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ConnectionRefusedError(), "refused"),
        (ConnectionResetError(), "reset"),
        (http.client.RemoteDisconnected(""), "reset"),
        (BrokenPipeError(), "reset"),
        (TimeoutError(), "timeout"),
        (http.client.IncompleteRead(b""), "cut"),
        (OSError(113, "No route to host"), "unreachable"),
    ],
)
def test_failures_in_a_word(error: Exception, word: str) -> None:
    assert failure(error) == word


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as its path says; with a listing of generation 3."""

    def do_GET(self) -> None:
        if self.path == "/reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        bodies = {
            "/index.json": entry(3, "T3", A),
            "/history/latest.json": {"entries": [{"key": "history/3.json", "generation": 3}, {"generation": 2}]},
            "/history/3.json": entry(3, "T3", A),
        }
        self.send_response(503 if self.path == "/503" else 200)
        self.end_headers()
        self.wfile.write(json.dumps(bodies.get(self.path, "")).encode())

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def a_server() -> Iterator[str]:
    """A web server on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("path", "outcome"), [("/", "200"), ("/503", "503"), ("/reset", "reset")])
def test_sent(path: str, outcome: str) -> None:
    with a_server() as url:
        assert sent(connection_to(url), path).outcome == outcome


def test_nobody_listens() -> None:
    with a_server() as url:
        pass
    assert sent(connection_to(url), "/").outcome == "refused"


def test_load_is_steady() -> None:
    with a_server() as url, Load(url, rate=100, clients=5) as load:
        began = time.monotonic()
        eventually(lambda: len(load.requests) >= 40, within=20, what="40 requests")
        assert time.monotonic() - began >= 0.35
    assert all(request.good for request in load.requests)
    assert load.since(began) == [request for request in load.requests if request.began >= began]


def test_reader_and_history() -> None:
    with a_server() as url, Reader(url) as reader:
        eventually(lambda: len(reader.reads) >= 2, within=10, what="two reads")
        assert [entry["generation"] for entry in history(url, after=2)] == [3]
    assert {(read.generation, read.endpoints) for read in reader.reads} == {(3, A)}
