"""The counter before a real master, replicas and Sentinels that are well: what it counts and what it answers."""

from __future__ import annotations

import http.client
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.counter import PASSWORD, Counter, Redis, a_redis
from tests.support.waiting import eventually

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

_numbers = count(1)
PAGE = "text/html,application/xhtml+xml"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with a_redis(tmp_path_factory.mktemp("redis") / "set") as redis:
        yield redis


@pytest.fixture(scope="module")
def counter(redis: Redis) -> Iterator[Counter]:
    with Counter(redis.home / "counter", redis.settings) as counter:
        yield counter


@pytest.fixture
def key() -> str:
    return f"key-{next(_numbers)}"


def test_counts_and_reads(counter: Counter) -> None:
    before = counter.get().count
    answer = counter.post()
    assert (answer.status, answer.json) == (200, {"count": before + 1})
    assert counter.get().json == {"count": before + 1}
    assert counter.get().headers["cache-control"] == "no-store"


def test_many_at_once_get_a_number_each(counter: Counter) -> None:
    before = counter.get().count
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: counter.post().count, range(200)))
    assert sorted(counts) == list(range(before + 1, before + 201))
    assert counter.get().count == before + 200


def test_a_repeated_key_counts_once(counter: Counter, redis: Redis, key: str) -> None:
    before = counter.get().count
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: counter.post(key), range(8)))
    assert {answer.count for answer in answers} == {before + 1}
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 7
    assert counter.get().count == before + 1
    assert counter.post(f"{key}-other").count == before + 2
    assert 3590 <= redis.master.ask("TTL", f"counter:done:{key}") <= 3600


def test_it_is_on_the_replicas_when_it_is_answered(counter: Counter, redis: Redis) -> None:
    for _ in range(20):
        answered = counter.post().count
        held = [int(each.ask("GET", "counter")) for each in redis.replicas]
        assert max(held) == answered


@pytest.mark.parametrize("key", ["", " ", "a b", "\x7f", "ü", "x" * 201])
def test_a_key_that_is_none(counter: Counter, key: str) -> None:
    before = counter.get().count
    answer = counter.ask("POST", "/", headers={"Idempotency-Key": key})
    assert answer.status == 400
    assert answer.json["counted"] is False
    assert counter.get().count == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/", 200),
        ("GET", "/healthz", 200),
        ("PUT", "/", 405),
        ("POST", "/count", 405),
        ("GET", "/metrics", 404),
        ("GET", "/assets/page.html", 404),
        ("GET", "/assets/../settings.py", 404),
        ("GET", "/assets/page.css", 200),
    ],
)
def test_paths(counter: Counter, method: str, path: str, status: int) -> None:
    answer = counter.ask(method, path)
    assert answer.status == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]


def test_assets_are_asked_for_anew(counter: Counter) -> None:
    tag = counter.get("/assets/page.js").headers["etag"]
    assert counter.get("/assets/page.js", If_None_Match=tag).status == 304


def test_the_form_of_the_page_counts_once(counter: Counter, key: str) -> None:
    before = counter.get().count
    for _ in range(2):
        answer = counter.post(body=f"key={key}", Accept=PAGE, Content_Type=FORM)
        assert (answer.status, answer.headers["location"]) == (303, "/")
    assert counter.get().count == before + 1
    assert f'<span id="count">{before + 1}</span>' in counter.get("/", Accept=PAGE).body
    assert counter.post(body=f"key={'x' * 5000}", Content_Type=FORM).status == 400
    assert counter.get().count == before + 1


def test_metrics(counter: Counter, key: str) -> None:
    before = counter.metrics()
    counter.post(key)
    counter.post(key)
    counter.get()
    after = counter.metrics()
    grown = {name.removeprefix("slipway_counter_") for name in after if after[name] == before.get(name, 0) + 1}
    assert grown >= {'requests_total{fate="counted"}', 'requests_total{fate="repeated"}'}
    assert after["slipway_counter_sentinels"] == 3
    assert [counter.told(path).status for path in ("/healthz", "/readyz", "/other")] == [200, 200, 404]


def test_no_secret_is_told(counter: Counter) -> None:
    assert counter.process
    arguments = Path(f"/proc/{counter.process.pid}/cmdline").read_bytes()
    environment = Path(f"/proc/{counter.process.pid}/environ").read_bytes()
    told = counter.log.read_bytes() + counter.told("/metrics").body.encode()
    assert PASSWORD.encode() not in arguments + environment + told


def test_a_connection_serves_several_requests(counter: Counter) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", counter.port, timeout=10)
    for _ in range(3):
        connection.request("POST", "/", body="ignored")
        answer = connection.getresponse()
        assert answer.read().startswith(b'{"count":')
    connection.close()


def test_a_stop_is_noticed_by_nobody(redis: Redis) -> None:
    with Counter(redis.home / "stopped", {**redis.settings, "COUNTER_LINGER": "1"}) as counter:
        kept = http.client.HTTPConnection("127.0.0.1", counter.port, timeout=10)
        kept.request("POST", "/")
        assert kept.getresponse().read().startswith(b'{"count":')
        counter.send(signal.SIGTERM)
        eventually(lambda: counter.told("/readyz").status == 503, within=5, what="not ready", every=0.01)
        assert counter.told("/healthz").status == 200
        kept.request("POST", "/")
        answer = kept.getresponse()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert counter.post().status == 200  # from one who has not heard yet
        assert counter.process
        assert counter.process.wait(10) == 0
        assert counter.logged()[-1]["message"] == "Ended"


def test_a_change_of_the_password_while_it_counts(redis: Redis) -> None:
    old, new = (redis.credentials / "password").read_text(), "another password of the app"
    with Counter(redis.home / "rotated", redis.settings) as counter, ThreadPoolExecutor(4) as pool:
        for each in (*redis.nodes, *redis.sentinels):
            each.ask("ACL", "SETUSER", "app", f">{new}")
        writing = [pool.submit(counter.post) for _ in range(50)]
        (redis.credentials / "password").write_text(new)
        for each in redis.nodes:
            each.ask("CLIENT", "KILL", "USER", "app")
            each.ask("ACL", "SETUSER", "app", f"<{old}")
        for each in redis.sentinels:
            each.ask("ACL", "SETUSER", "app", f"<{old}")
            each.ask("CLIENT", "KILL", "TYPE", "normal")
        writing += [pool.submit(counter.post) for _ in range(50)]
        answers = [each.result() for each in writing]
        refused = [answer for answer in answers if answer.status != 200]
        assert all(answer.json["counted"] is None for answer in refused), refused  # whose connection was just killed
        assert len(refused) <= 8
        assert counter.metrics()["slipway_counter_sentinels"] == 3
        for each in (*redis.nodes, *redis.sentinels):
            each.ask("ACL", "SETUSER", "app", "resetpass", f">{old}")
        (redis.credentials / "password").write_text(old)


def test_a_wrong_password_is_told_and_not_shown(redis: Redis, tmp_path: Path) -> None:
    (tmp_path / "username").write_text("app")
    (tmp_path / "password").write_text("my own guess")
    settings = {**redis.settings, "COUNTER_CREDENTIALS_DIR": str(tmp_path), "COUNTER_PATIENCE": "0.5"}
    with Counter(redis.home / "guessing", settings) as counter:
        assert counter.post().json == {"error": "Redis cannot be reached", "counted": False, "code": "NOT_SENT"}
        [warned] = {line["message"] for line in counter.logged("warning") if "Most Sentinels" in line["message"]}
        assert "invalid username-password pair" in warned
        assert "my own guess" not in counter.log.read_text()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"COUNTER_NODES_FILE": ""}, "none of COUNTER_NODES_FILE, COUNTER_SENTINELS, COUNTER_REDIS is set"),
        ({"COUNTER_WAIT_MS": "soon"}, "COUNTER_WAIT_MS is 'soon': give a whole number"),
    ],
)
def test_bad_settings_are_one_line(redis: Redis, settings: dict[str, str], said: str) -> None:
    answer = Counter(redis.home / "refused", {**redis.settings, **settings}).run()
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)
    assert said in answer.stderr


def test_a_port_that_is_taken(redis: Redis, counter: Counter) -> None:
    answer = Counter(redis.home / "taken", {**redis.settings, "COUNTER_PORT": str(counter.port)}).run()
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert f"port {counter.port}" in answer.stderr


def test_help_names_every_variable(redis: Redis) -> None:
    answer: subprocess.CompletedProcess[str] = Counter(redis.home / "help", {}).run("--help")
    assert answer.returncode == 0
    assert all(name in answer.stdout for name in ("COUNTER_SENTINELS", "COUNTER_WAIT_REPLICAS", "COUNTER_LINGER"))
