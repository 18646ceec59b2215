"""Whatever happens on the way to the server, a wait ends when the object is ready or gone: not before, not never."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine import client, lifecycle, verdict
from tests.support.api_server import ADMIN, EXPIRING, MERGE_PATCH, ApiError, ApiServer
from tests.support.fault_proxy import Cut, End, Silence, Slow, Stall, Status, Twice
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.support.fault_proxy import FaultProxy

    Results = list[lifecycle.Result]

WATCH: dict[str, Any] = {"path": "/deployments", "watch": True}
LIST: dict[str, Any] = {"path": "/deployments?", "watch": False}
TCP_ESTABLISHED = "01"
WATCHDOG = 1.0
FAULTS = [
    pytest.param([], id="none"),
    pytest.param([(End(), WATCH)], id="watch ends at once"),
    pytest.param([(End(after=1), WATCH)], id="watch ends before the last event"),
    pytest.param([(Cut(), WATCH)], id="watch is cut in its first line"),
    pytest.param([(Cut(after=1), WATCH)], id="watch is cut in its last line"),
    pytest.param([(Stall(), WATCH)], id="watch stalls at once"),
    pytest.param([(Stall(after=1), WATCH)], id="watch stalls before the last event"),
    pytest.param([(Silence(), WATCH)], id="watch gets no answer"),
    pytest.param([(Twice(), WATCH)], id="events arrive twice"),
    pytest.param([(Status(429, retry_after=1), WATCH)], id="watch is throttled"),
    pytest.param([(Status(500), {**WATCH, "times": 2})], id="watch fails"),
    pytest.param([(Status(429, retry_after=1), LIST)], id="list is throttled"),
    pytest.param([(Status(500), {**LIST, "times": 2})], id="list fails"),
    pytest.param([(Slow(1), LIST)], id="list is slow"),
    pytest.param([(Silence(), LIST)], id="list gets no answer"),
    pytest.param([(Stall(), {**WATCH, "path": "/pods"})], id="watch of the pods stalls"),
    pytest.param([(Status(500), {**LIST, "path": "/pods?"})], id="list of the pods fails"),
    pytest.param([(Status(429, retry_after=1), {"verb": "write"})], id="write is throttled"),
    pytest.param([(Status(500), {"verb": "write", "times": 2})], id="write fails"),
]


@dataclass(frozen=True)
class Controllers:
    """Does what the controllers of a real Kubernetes do with the Deployment `demo`."""

    api: ApiServer
    namespace: str

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/demo"

    def sees(self, *, deleted: bool) -> bool:
        """Whether the Deployment is there, and is to go."""
        try:
            return ("deletionTimestamp" in self.api.request("GET", self.path)["metadata"]) is deleted
        except ApiError:
            return False

    def finish(self, *, deletion: bool) -> None:
        """Say that all replicas are available, or let the Deployment go."""
        if deletion:
            self.api.request("PATCH", self.path, {"metadata": {"finalizers": None}}, content_type=MERGE_PATCH)
            return
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        status = {"observedGeneration": 1, **dict.fromkeys(counts, 2)}
        self.api.request("PATCH", f"{self.path}/status", {"status": status}, content_type=MERGE_PATCH)


def deployment(namespace: str, name: str = "demo") -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "slipway", "app.kubernetes.io/instance": "demo"}
    container = {"name": "main", "image": "registry.k8s.io/pause:3.10.2"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


@dataclass(frozen=True)
class Bench:
    """A client behind the proxy, a thread for it to wait in, and the controllers at the other end."""

    client: client.Client
    pool: ThreadPoolExecutor
    controllers: Controllers

    def begin(self, *, deletion: bool) -> Future[Results]:
        """Start the operation; return when the server has got it and the wait has begun."""
        operation = lifecycle.ensure_absent if deletion else lifecycle.ensure_present
        options = lifecycle.Options(timeout=30, inactivity=WATCHDOG)
        wait = self.pool.submit(operation, self.client, [deployment(self.controllers.namespace)], options)
        eventually(lambda: wait.done() or self.controllers.sees(deleted=deletion), within=10, what="the request")
        return wait

    def prepare(self, *, deletion: bool) -> None:
        """Have the Deployment there where it is to be deleted."""
        if deletion:
            path, obj = self.controllers.path.rpartition("/")[0], deployment(self.controllers.namespace)
            self.controllers.api.request("POST", path, obj)


@contextmanager
def bench_at(kubeconfig: Path, controllers: Controllers) -> Iterator[Bench]:
    connection = client.Connection(kubeconfig=str(kubeconfig), namespace=controllers.namespace)
    with client.connect(connection) as connected, ThreadPoolExecutor(1) as pool:
        yield Bench(connected, pool, controllers)


@pytest.fixture
def bench(proxy: FaultProxy, namespace: str, tmp_path: Path) -> Iterator[Bench]:
    kubeconfig = proxy.upstream.kubeconfig(tmp_path / "kubeconfig", url=proxy.url)
    with bench_at(kubeconfig, Controllers(proxy.upstream, namespace)) as bench:
        yield bench


@pytest.fixture(params=[False, True], ids=["create", "delete"])
def deletion(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def connections(proxy: FaultProxy) -> list[str]:
    """The client's ends of its connections to the proxy."""
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    port = f":{urlsplit(proxy.url).port:04X}"
    return [local for _, local, remote, state, *_ in rows if remote.endswith(port) and state == TCP_ESTABLISHED]


def assert_done(wait: Future[Results], *, deletion: bool) -> None:
    [result] = wait.result(timeout=WATCHDOG + 5)
    last = "pods_gone" if deletion else "available"
    assert (result.action, result.cause, last in result.phases) == ("deleted" if deletion else "created", None, True)


@pytest.mark.parametrize("faults", FAULTS)
def test_fault(proxy: FaultProxy, bench: Bench, faults: list[tuple[Any, dict[str, Any]]], deletion: bool) -> None:
    bench.prepare(deletion=deletion)
    for fault, match in faults:
        verb = "DELETE" if deletion else "PATCH"
        proxy.inject(fault, **{**match, **({"verb": verb} if "verb" in match else {})})
    wait = bench.begin(deletion=deletion)
    assert not wait.done()
    bench.controllers.finish(deletion=deletion)
    assert_done(wait, deletion=deletion)
    assert proxy.unused == []


def test_write_is_not_repeated_beyond_the_time_of_its_object(proxy: FaultProxy, bench: Bench) -> None:
    proxy.inject(Status(429, retry_after=1), verb="PATCH", times=100)
    began = time.monotonic()
    options = lifecycle.Options(timeout=2.5)
    [result] = lifecycle.ensure_present(bench.client, [deployment(bench.controllers.namespace)], options)
    assert (result.action, result.cause and result.cause.code) == ("none", "api_error")
    assert 1 < time.monotonic() - began < 4


def present(view: verdict.View) -> verdict.Verdict:
    return verdict.done("there") if view.present else verdict.pending("not there")


def test_many_writes_go_unwatched(proxy: FaultProxy, bench: Bench) -> None:
    objects = [deployment(bench.controllers.namespace, f"demo-{number}") for number in range(20)]
    results = lifecycle.ensure_present(bench.client, objects, lifecycle.Options(timeout=30, ready=present))
    assert [result.cause for result in results] == [None] * 20
    order = ["watch" if each.watch else each.verb for each in proxy.seen if each.watch or each.verb == "PATCH"]
    assert order[:40] == ["PATCH"] * 40  # each is rehearsed
    assert proxy.count(path="/pods?", watch=False) == 2


def test_slow_writes_are_watched(proxy: FaultProxy, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_HEAD_START", 0.5)
    proxy.inject(Slow(3), verb="PATCH", path="/demo-19?", spared=1)  # it is rehearsed
    told: list[tuple[str, str]] = []
    objects = [deployment(bench.controllers.namespace, f"demo-{number}") for number in range(20)]
    options = lifecycle.Options(
        timeout=30, ready=present, listener=lambda event: told.append((event.name, event.milestone))
    )
    lifecycle.ensure_present(bench.client, objects, options)
    assert told.index(("demo-0", "took effect")) < told.index(("demo-19", "executed"))
    assert proxy.unused == []


def test_connection_refused_for_a_while(proxy: FaultProxy, bench: Bench, deletion: bool) -> None:
    bench.prepare(deletion=deletion)
    wait = bench.begin(deletion=deletion)
    with proxy.refusing():
        bench.controllers.finish(deletion=deletion)
        time.sleep(1)
        assert not wait.done()
    assert_done(wait, deletion=deletion)


def test_api_server_restarted_and_history_compacted(
    api: ApiServer, proxy: FaultProxy, bench: Bench, deletion: bool
) -> None:
    bench.prepare(deletion=deletion)
    wait = bench.begin(deletion=deletion)
    with proxy.refusing():
        bench.controllers.finish(deletion=deletion)
        api.stop_api()
        api.compact()
        api.start_api()
    assert_done(wait, deletion=deletion)
    assert [request.path for request in proxy.seen if request.expired and "/deployments" in request.path]


def logins(home: Path) -> dict[str, dict[str, Any]]:
    """Users of a kubeconfig with the same token: from a program and from a file, which can be renewed, and for good."""
    for name in ("program", "file"):
        (home / name).write_text(EXPIRING)
    api_version = "client.authentication.k8s.io/v1"
    answer = json.dumps({"apiVersion": api_version, "kind": "ExecCredential", "status": {"token": "TOKEN"}})
    script = f"sed s/TOKEN/$(cat {home}/program)/ <<'END'\n{answer}\nEND"
    program = {"apiVersion": api_version, "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}
    return {"program": {"exec": program}, "file": {"tokenFile": f"{home}/file"}, "literal": {"token": EXPIRING}}


def test_credentials_expire(api: ApiServer, namespace: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        benches: dict[str, Bench] = {}
        for name, user in logins(tmp_path).items():
            own = Controllers(api, f"{namespace}-{name}")
            api.request("POST", "/api/v1/namespaces", {"metadata": {"name": own.namespace}})
            kubeconfig = api.kubeconfig(tmp_path / f"{name}.kubeconfig", user=user)
            benches[name] = stack.enter_context(bench_at(kubeconfig, own))
        waits = {name: bench.begin(deletion=False) for name, bench in benches.items()}
        for name in ("program", "file"):
            (tmp_path / name).write_text(ADMIN)
        api.restart_without(EXPIRING)
        for bench in benches.values():
            bench.controllers.finish(deletion=False)
        for name in ("program", "file"):
            assert_done(waits[name], deletion=False)
        [result] = waits["literal"].result(timeout=30)
    assert (result.action, result.cause and result.cause.code) == ("created", "unauthorized")
    assert "log in again or fetch a new kubeconfig" in str(result.cause)


def test_no_connection_is_left(proxy: FaultProxy, bench: Bench) -> None:
    wait = bench.begin(deletion=False)
    assert connections(proxy)
    bench.controllers.finish(deletion=False)
    assert_done(wait, deletion=False)
    bench.client.close()
    eventually(lambda: not connections(proxy), within=2, what="all connections closed")
