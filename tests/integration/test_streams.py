"""One stream: what it makes of rights and sizes, and that nothing of it is left once it was told to stop."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine import client
from ansible_collections.slipway.cloud.plugins.module_utils.engine.reflector import Change, Reflector, Selection
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Resource
from tests.support.api_server import MERGE_PATCH, POWERLESS
from tests.support.fault_proxy import Last, Silence, Status
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import EngineError
    from tests.support.api_server import ApiServer
    from tests.support.fault_proxy import FaultProxy

CONFIG_MAP = Resource("v1", "ConfigMap", "configmaps")
MIB = 1 << 20
CONNECT_TIMEOUT = 1.0
SYN_SENT, ESTABLISHED = "02", "01"


class Seen:
    """A reflector, and what it has reported."""

    def __init__(self, connected: client.Client, selection: Selection) -> None:
        self.changes: list[Change] = []
        self.warnings: list[str] = []
        self.errors: list[EngineError] = []
        self.reflector = Reflector(
            connected,
            selection,
            report=lambda _stream, changes: self.changes.extend(changes),
            give_up=self.errors.append,
            warn=lambda _stream, message: self.warnings.append(message),
        )

    def has(self, kind: str, name: str) -> bool:
        """Whether a change of that kind to that object was reported."""
        return any((each.kind, each.obj["metadata"]["name"]) == (kind, name) for each in self.changes)


@contextmanager
def seeing(kubeconfig: Path, selection: Selection, *, held: bool = False) -> Iterator[Seen]:
    connection = client.Connection(kubeconfig=str(kubeconfig), connect_timeout=CONNECT_TIMEOUT)
    with client.connect(connection) as connected:
        seen = Seen(connected, selection)
        if held:
            seen.reflector.hold()
        seen.reflector.start()
        try:
            yield seen
        finally:
            seen.reflector.stop()
            seen.reflector.join(5)


def sockets(url: str, *states: str) -> list[str]:
    """This process's ends of connections to a port of 127.0.0.1, in one of these states: proc(5), net/tcp."""
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    port = f":{urlsplit(url).port:04X}"
    return [local for _, local, remote, state, *_ in rows if remote.endswith(port) and state in states]


@contextmanager
def listener(*, full: bool) -> Iterator[str]:
    """A port where connections are opened but nobody speaks; or, where it is `full`, are not even opened."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = server.getsockname()
        if full:
            stack.enter_context(socket.create_connection(address))
        yield f"https://127.0.0.1:{address[1]}"


@pytest.mark.parametrize(("full", "state"), [(True, SYN_SENT), (False, ESTABLISHED)], ids=["connect", "TLS handshake"])
def test_stop_while_the_server_is_being_reached(api: ApiServer, tmp_path: Path, full: bool, state: str) -> None:
    with listener(full=full) as url:
        kubeconfig = api.kubeconfig(tmp_path / "kubeconfig", url=url)
        with seeing(kubeconfig, Selection(CONFIG_MAP)) as seen:
            already = 1 if full else 0
            eventually(lambda: len(sockets(url, state)) >= 1, within=5, what="the connection under way", every=0.01)
            seen.reflector.stop()
            seen.reflector.join(CONNECT_TIMEOUT + 0.5 if full else 0.5)
            assert not seen.reflector.is_alive()
        assert len(sockets(url, SYN_SENT, ESTABLISHED)) == already
        assert seen.errors == []


@pytest.mark.parametrize(
    ("fault", "match", "requests"),
    [
        (Silence(), {"watch": False}, 1),
        (Status(429, retry_after=60), {"watch": False}, 1),
        (Silence(), {"watch": True}, 2),
        (Status(500, retry_after=60), {"watch": True}, 2),
        (None, {}, 2),
        (Last(), {"watch": True}, 2),
    ],
    ids=["list without answer", "list put off", "watch without answer", "watch put off", "quiet watch", "last answer"],
)
def test_stop_while_the_server_is_asked(
    proxy: FaultProxy, tmp_path: Path, fault: Any, match: dict[str, Any], requests: int
) -> None:
    if fault:
        proxy.inject(fault, path="/configmaps", **match)
    before = set(threading.enumerate())
    kubeconfig = proxy.upstream.kubeconfig(tmp_path / "kubeconfig", url=proxy.url)
    with seeing(kubeconfig, Selection(CONFIG_MAP)) as seen:
        eventually(lambda: proxy.count(path="/configmaps") == requests, within=5, what="the request", every=0.01)
        seen.reflector.stop()
        seen.reflector.join(0.5)
        assert not seen.reflector.is_alive()
        eventually(lambda: not sockets(proxy.url, ESTABLISHED), within=0.5, what="no socket left", every=0.01)
    assert [each.name for each in set(threading.enumerate()) - before if isinstance(each, Reflector)] == []
    assert (seen.errors, proxy.unused) == ([], [])


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def test_selectors_are_the_servers(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("one", "other"):
        api.request("POST", path, config_map(name))
    with seeing(kubeconfig, Selection(CONFIG_MAP, namespace, name="one")) as seen:
        eventually(lambda: seen.has("ADDED", "one"), within=5, what="the object", every=0.01)
        for name in ("other", "one"):
            api.request("DELETE", f"{path}/{name}")
        eventually(lambda: seen.has("DELETED", "one"), within=5, what="its end", every=0.01)
        assert {each.obj["metadata"]["name"] for each in seen.changes} == {"one"}


def test_object_of_more_than_2_mib(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api.request("POST", path, config_map("big"))
    with seeing(kubeconfig, Selection(CONFIG_MAP, namespace)) as seen:
        eventually(lambda: seen.has("ADDED", "big"), within=5, what="the object", every=0.01)
        # One byte for etcd, which takes no object of more than 1.5 MiB; six on the wire: "\u003c"
        text = "<" * (500 << 10)
        api.request("PATCH", f"{path}/big", {"data": {"text": text}}, content_type=MERGE_PATCH)
        eventually(lambda: seen.has("MODIFIED", "big"), within=10, what="the change", every=0.01)
        assert 6 * len(text) > 2 * MIB
        assert seen.changes[-1].obj["data"] == {"text": text}


def test_list_without_watch_is_polled(proxy: FaultProxy, namespace: str, tmp_path: Path) -> None:
    api = proxy.upstream
    group = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rule: dict[str, Any] = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "powerless"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "list"}
    api.request("POST", f"{group}/roles", {"metadata": {"name": "list"}, "rules": [rule]})
    api.request("POST", f"{group}/rolebindings", {"metadata": {"name": "list"}, "roleRef": role, "subjects": [subject]})
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    eventually(lambda: api.request("GET", path, token=POWERLESS), within=5, what="the right to list")
    kubeconfig = api.kubeconfig(tmp_path / "kubeconfig", url=proxy.url, token=POWERLESS)
    with seeing(kubeconfig, Selection(CONFIG_MAP, namespace)) as seen:
        eventually(lambda: seen.warnings, within=5, what="a warning")
        for verb, target, kind in (("POST", path, "ADDED"), ("DELETE", f"{path}/one", "DELETED")):
            api.request(verb, target, config_map("one") if verb == "POST" else None)
            eventually(lambda kind=kind: seen.has(kind, "one"), within=5, what=f"an object {kind}")  # type: ignore[misc]
        rules = [{**rule, "verbs": ["list", "watch"]}]
        api.request("PATCH", f"{group}/roles/list", {"rules": rules}, content_type=MERGE_PATCH)
        eventually(lambda: any(each.watch and each.status == 200 for each in proxy.seen), within=10, what="a watch")
    [warning] = seen.warnings
    assert "cannot watch" in warning
    assert "Role" in warning
    assert seen.errors == []


def test_held_stream_lists_anew_and_watches_once_it_is_released(
    proxy: FaultProxy, namespace: str, tmp_path: Path
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    kubeconfig = proxy.upstream.kubeconfig(tmp_path / "kubeconfig", url=proxy.url)
    with seeing(kubeconfig, Selection(CONFIG_MAP, namespace), held=True) as seen:
        eventually(lambda: seen.reflector.synced, within=5, what="the list", every=0.01)
        proxy.upstream.request("POST", path, config_map("one"))
        assert (proxy.count(path=path), seen.reflector.behind, seen.has("ADDED", "one")) == (1, True, False)
        seen.reflector.release()
        eventually(lambda: seen.has("ADDED", "one"), within=1, what="what there is by now", every=0.01)
        eventually(lambda: proxy.count(path=path, watch=True), within=1, what="the watch", every=0.01)
        proxy.upstream.request("DELETE", f"{path}/one")
        eventually(lambda: seen.has("DELETED", "one"), within=1, what="its end", every=0.01)
        assert (proxy.count(path=path, watch=False), seen.reflector.behind) == (2, False)


def test_held_stream_is_stopped(proxy: FaultProxy, namespace: str, tmp_path: Path) -> None:
    kubeconfig = proxy.upstream.kubeconfig(tmp_path / "kubeconfig", url=proxy.url)
    with seeing(kubeconfig, Selection(CONFIG_MAP, namespace), held=True) as seen:
        eventually(lambda: seen.reflector.synced, within=5, what="the list", every=0.01)
        seen.reflector.stop()
        seen.reflector.join(0.5)
        assert not seen.reflector.is_alive()
        assert (proxy.count(), seen.errors) == (1, [])
