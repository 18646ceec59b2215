"""The pool's nginx, as its image has it, before two stores that fail in every way: fresh, else stale, no errors."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.pool import Answer, Bench, a_bench, image_root, service
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = "/"
ENTRY = "history/2026/11/29/120000.250Z-0123456789ab.json"
FRESH = 0.15  # s after a change: who asks later gets it, however slow the answer; a tenth, and what nginx's clock lags
SLOWEST = 2.0  # s that any request may take
SECONDS_DOWN = 3.0
STATUS = {"/?list-type=2": 200, "/assets/": 403, "/%2e%2e/secret.json": 400}  # what is not 404


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_root(tmp_path_factory.mktemp("image"))


@pytest.fixture
def bench(root: Path, tmp_path: Path) -> Iterator[Bench]:
    with a_bench(root, tmp_path / "pod") as bench:
        yield bench


def served(bench: Bench, body: str) -> Answer | None:
    """The page's answer, if this is what it shows."""
    answer = bench.pool.get(PAGE)
    assert answer.status == 200
    return answer if body in answer.body else None


def becomes(bench: Bench, body: str, within: float) -> Answer:
    return eventually(lambda: served(bench, body), within=within, what=body, every=0.01) or pytest.fail("no answer")


def last_asked_in_vain(bench: Bench, body: str) -> float:
    """How many seconds from now on a request began that did not get this yet, the last one of them."""
    began, last = time.monotonic(), 0.0
    while (asked := time.monotonic() - began) < 2:
        if answer := served(bench, body):
            assert (answer.state, answer.seconds < SLOWEST) == ("fresh", True)
            return last
        last = asked
    pytest.fail(f"{body}: not within 2 s")


def test_a_change_is_seen_at_once(bench: Bench) -> None:
    for number in range(12):
        bench.publish(f"list {number}")
        assert last_asked_in_vain(bench, f"list {number}") < FRESH


def test_a_slow_answer_is_not_kept_longer(bench: Bench) -> None:
    """It counts from the question: what was asked for before a change is not served a second after it."""
    bench.publish("before")
    becomes(bench, "before", within=2)
    for _ in range(20):
        bench.publish("after")
        assert last_asked_in_vain(bench, "after") < FRESH
        bench.publish("before")
        becomes(bench, "before", within=2)


def test_stores_are_asked_ten_times_a_second_at_most(bench: Bench) -> None:
    bench.publish("list")
    began, count = time.monotonic(), 0
    while time.monotonic() - began < 2:
        assert bench.pool.get(PAGE).state == "fresh"
        count += 1
    asked = len(bench.stores[0].requests)
    assert asked <= 10 * (time.monotonic() - began) + 2
    assert count > 5 * asked
    assert bench.stores[1].requests == []
    assert all(headers.get("If-None-Match") for _, _, headers in bench.stores[0].requests[1:])


@pytest.mark.parametrize("state", [403, 404, 429, 500, 503, 301, 400, 501, "hangs", "closed"])
def test_the_next_store_is_asked(bench: Bench, state: int | str) -> None:
    bench.publish("both")
    becomes(bench, "both", within=2)
    first, second = bench.stores
    if state == "closed":
        first.close()
    else:
        first.state = state
    second.put("index.html", "<p>second</p>", "text/html")
    answer = becomes(bench, "second", within=4)
    assert answer.state == "fresh"
    first.release()


@pytest.mark.parametrize("state", [403, 404, 503, "hangs", "closed"])
def test_the_last_list_is_served_while_no_store_answers(bench: Bench, state: int | str) -> None:
    bench.publish("last")
    becomes(bench, "last", within=2)
    for store in bench.stores:
        if state == "closed":
            store.close()
        else:
            store.state = state
    began, answers = time.monotonic(), list[Answer]()
    while time.monotonic() - began < SECONDS_DOWN:
        answers.append(bench.pool.get(PAGE))
    assert {(answer.status, "last" in answer.body) for answer in answers} == {(200, True)}
    assert answers[-1].state == "stale"
    assert max(answer.seconds for answer in answers) < SLOWEST

    for store in bench.stores:
        store.release()
        store.state = 200
        if state == "closed":
            store.open()
    bench.publish("back")
    assert becomes(bench, "back", within=5).state == "fresh"


def test_what_was_kept_outlives_the_container(bench: Bench) -> None:
    bench.publish("kept")
    becomes(bench, "kept", within=2)
    for store in bench.stores:
        store.close()
    bench.pool.kill()
    bench.pool.start()
    answer = bench.pool.get(PAGE)
    assert (answer.status, answer.state) == (200, "stale")
    assert "kept" in answer.body


@pytest.mark.parametrize("broken", ["unknown", "silent"])
def test_starts_without_the_names_of_the_stores(root: Path, tmp_path: Path, broken: str) -> None:
    with a_bench(root, tmp_path / "pod") as bench:
        bench.publish("list")
        known = dict(bench.names.known)
        bench.pool.kill()
        bench.names.known.clear()
        bench.names.silent = broken == "silent"
        bench.pool.start()
        answer = bench.pool.get(PAGE)
        assert (answer.status, answer.state) == (200, "bootstrap")
        assert answer.seconds < SLOWEST
        bench.names.known.update(known)
        bench.names.silent = False
        assert becomes(bench, "list", within=5).state == "fresh"


def test_a_name_of_one_store_is_enough(bench: Bench) -> None:
    bench.pool.kill()
    del bench.names.known[f"{service(0)}.cluster.local"]
    bench.pool.start()
    bench.publish("list")
    assert becomes(bench, "list", within=4).state == "fresh"


def test_before_the_first_listing(bench: Bench) -> None:
    page = bench.pool.get(PAGE)
    assert (page.status, page.state) == (200, "bootstrap")
    assert "No listing yet" in page.body
    index = bench.pool.get("/index.json")
    assert (index.status, index.state) == (200, "bootstrap")
    assert json.loads(index.body) | {"at": None} == {
        "generation": 0,
        "at": None,
        "service": "",
        "namespace": "",
        "history": None,
        "endpoints": [],
    }
    assert json.loads(bench.pool.get("/history/latest.json").body) == {"entries": []}
    bench.publish("first")
    assert becomes(bench, "first", within=1).state == "fresh"


def test_history_is_asked_for_once(bench: Bench) -> None:
    assert bench.pool.get(f"/{ENTRY}").status == 404
    bench.stores[1].put(ENTRY, '{"generation": 3}')
    assert json.loads(bench.pool.get(f"/{ENTRY}").body) == {"generation": 3}
    for store in bench.stores:
        store.close()
    assert json.loads(bench.pool.get(f"/{ENTRY}").body) == {"generation": 3}
    assert bench.pool.get(f"/{ENTRY.replace('12000', '13000')}").status in (404, 503)


@pytest.mark.parametrize(
    "path",
    [
        "/secret.json",
        "/history/",
        "/history/2026/11/29/",
        "/history/../secret.json",
        "/history/2026/11/29/120000.250Z-0123456789ab.json/x",
        "/index.html/",
        "/?list-type=2",
        "//secret.json",
        "/%2e%2e/secret.json",
        "/podlister/secret.json",
        "/assets/../nginx.conf",
        "/assets/",
    ],
)
def test_nothing_else_of_the_bucket_is_to_be_had(bench: Bench, path: str) -> None:
    bench.publish("list")
    for store in bench.stores:
        store.put("secret.json", "secret")
    answer = bench.pool.get(path)
    assert "secret" not in answer.body
    assert answer.status == STATUS.get(path, 404)
    asked = {path for store in bench.stores for _, path, _ in store.requests}
    assert asked <= {"/podlister/index.html"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/index.json", "/healthz", "/assets/page.css"])
def test_only_get_and_head(bench: Bench, method: str, path: str) -> None:
    answer = bench.pool.get(path, method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert bench.stores[0].requests == []


def test_head_and_conditions(bench: Bench) -> None:
    bench.publish("list")
    whole, head = bench.pool.get(PAGE), bench.pool.get(PAGE, "HEAD")
    assert (head.status, head.body, head.headers["etag"]) == (200, "", whole.headers["etag"])
    again = bench.pool.get(PAGE, If_None_Match=whole.headers["etag"])
    assert (again.status, again.body) == (304, "")
    assert whole.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/index.json", "/assets/page.js", "/healthz", "/nowhere"])
def test_headers(bench: Bench, path: str) -> None:
    headers = bench.pool.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["server"] == "nginx"
    assert not [name for name in headers if name.startswith(("x-amz", "x-accel"))]


def test_health_asks_no_store(bench: Bench) -> None:
    for store in bench.stores:
        store.state = "hangs"
    answer = bench.pool.get("/healthz")
    assert (answer.status, answer.body) == (200, "ok\n")
    assert answer.seconds < 0.2
    assert bench.stores[0].requests == []


def test_logs_are_json(bench: Bench) -> None:
    bench.publish("list")
    bench.pool.get(PAGE, User_Agent='a "quoted" \\ one')
    bench.pool.get("/nowhere?x=1")
    lines = eventually(
        lambda: (
            len(found := [json.loads(line) for line in bench.pool.log.splitlines() if line[0] == "{"]) == 2 and found
        ),
        within=2,
        what="two lines",
    )
    assert lines
    assert [(line["message"], line["status"], line["listing"]) for line in lines] == [
        ("GET /", 200, "fresh"),
        ("GET /nowhere?x=1", 404, ""),
    ]
    assert lines[0]["agent"] == 'a "quoted" \\ one'
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", lines[0]["time"])


def test_requests_end_before_it_stops(bench: Bench) -> None:
    """What is under way when Kubernetes says TERM gets its answer, and the container ends without an error."""
    bench.publish("x" * 3_000_000)
    becomes(bench, "xxx", within=3)
    with socket.create_connection(("127.0.0.1", bench.pool.port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.sendall(b"GET / HTTP/1.0\r\nHost: pool\r\n\r\n")
        got = slow.recv(1000)
        threading.Timer(0.3, bench.pool.terminate).start()
        eventually(lambda: _refuses(bench), within=5, what="no new connections")
        while piece := slow.recv(65536):
            got += piece
    assert got.count(b"x") >= 3_000_000
    assert bench.pool.wait(10) == 0


def _refuses(bench: Bench) -> bool:
    try:
        bench.pool.get("/healthz")
    except OSError:
        return True
    return False
