"""The harness itself: fast, gone afterwards, and its faults are real."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.api_server import ADMIN, ApiServer
from tests.support.fault_proxy import Cut, End, Fault, FaultProxy, Slow, Stall, Status, Twice

CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"


def open_through(proxy: FaultProxy, path: str, *, timeout: float = 2) -> http.client.HTTPResponse:
    connection = http.client.HTTPSConnection(urlsplit(proxy.url).netloc, timeout=timeout, context=proxy.trust)
    connection.request("GET", path, headers={"Authorization": f"Bearer {ADMIN}"})
    return connection.getresponse()


def watch(proxy: FaultProxy, namespace: str, fault: Fault | None = None) -> http.client.HTTPResponse:
    """A watch of three config maps `a`, `b`, `c`, ended by the server after 1 s."""
    for name in "abc":
        proxy.upstream.request("POST", CONFIG_MAPS.format(namespace), {"metadata": {"name": name}})
    if fault:
        proxy.inject(fault, watch=True)
    return open_through(proxy, CONFIG_MAPS.format(namespace) + "?watch=true&timeoutSeconds=1")


def names(lines: list[bytes]) -> str:
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return "".join(event["object"]["metadata"]["name"] for event in events)


def test_up_in_6_seconds(api: ApiServer) -> None:
    assert api.started_in <= 6


def test_nothing_is_left_running(tmp_path: Path) -> None:
    server = ApiServer(tmp_path)
    server.start()
    pids = [process.pid for process in server._processes.values()]
    server.stop()
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize(
    ("fault", "received"),
    [(None, "abc"), (End(after=2), "ab"), (End(), ""), (Twice(), "aabbcc")],
    ids=["no fault", "end", "end at once", "twice"],
)
def test_watch(proxy: FaultProxy, namespace: str, fault: Fault | None, received: str) -> None:
    assert names(list(watch(proxy, namespace, fault))) == received


def test_watch_cut_in_the_middle_of_a_line(proxy: FaultProxy, namespace: str) -> None:
    answer = watch(proxy, namespace, Cut(after=1))
    assert names([answer.readline()]) == "a"
    half = answer.readline()
    assert half.startswith(b'{"type"')
    assert not half.endswith(b"\n")


def test_watch_stalls_without_hanging_up(proxy: FaultProxy, namespace: str) -> None:
    answer = watch(proxy, namespace, Stall(after=1))
    assert names([answer.readline()]) == "a"
    with pytest.raises(TimeoutError):
        answer.readline()


@pytest.mark.parametrize("fault", [Status(429, retry_after=1), Status(500)], ids=str)
def test_status_befalls_so_many_requests(proxy: FaultProxy, namespace: str, fault: Status) -> None:
    proxy.inject(fault, path="configmaps", times=2)
    answers = [open_through(proxy, path) for path in 3 * [CONFIG_MAPS.format(namespace)] + ["/api/v1/namespaces"]]
    assert [answer.status for answer in answers] == [fault.code, fault.code, 200, 200]
    assert answers[0].headers["Retry-After"] == (fault.retry_after and str(fault.retry_after))


def test_slow(proxy: FaultProxy, namespace: str) -> None:
    proxy.inject(Slow(0.5))
    began = time.monotonic()
    assert open_through(proxy, CONFIG_MAPS.format(namespace)).status == 200
    assert time.monotonic() - began >= 0.5


def test_refusing(proxy: FaultProxy, namespace: str) -> None:
    answer = watch(proxy, namespace)
    with proxy.refusing():
        assert names([line for line in answer if line.endswith(b"\n")]) in ("", "a", "ab", "abc")
        with pytest.raises(ConnectionRefusedError):
            open_through(proxy, "/api")
    assert open_through(proxy, "/api").status == 200


def test_expired_after_a_restart_and_compaction(api: ApiServer, proxy: FaultProxy, namespace: str) -> None:
    old = api.request("GET", CONFIG_MAPS.format(namespace))["metadata"]["resourceVersion"]
    api.request("POST", CONFIG_MAPS.format(namespace), {"metadata": {"name": "later"}})
    api.stop_api()
    api.compact()
    api.start_api()
    open_through(proxy, CONFIG_MAPS.format(namespace) + f"?watch=true&resourceVersion={old}").read()
    assert [request.expired for request in proxy.seen] == [True]
