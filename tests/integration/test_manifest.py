"""Documents of any kinds, against a real API server: their order, what is refused, and what is left alone."""

from __future__ import annotations

import base64
import copy
import itertools
import json
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine import client, manifest
from ansible_collections.slipway.cloud.plugins.module_utils.engine.apply import differs
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import (
    InvalidInputError,
    NotOursError,
    RejectedError,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.lifecycle import Options, Result
from tests.support.ansible import module
from tests.support.api_server import MERGE_PATCH, ApiError, free_ports
from tests.support.things import definition
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.api_server import ApiServer

Object = dict[str, Any]

OPTIONS = Options(timeout=20)
_numbers = itertools.count(1)


@pytest.fixture
def connected(kubeconfig: Path, namespace: str) -> Iterator[client.Client]:
    """A client whose namespace is the test's own."""
    with client.connect(client.Connection(kubeconfig=str(kubeconfig), namespace=namespace)) as connected:
        yield connected


@pytest.fixture
def group() -> str:
    """An API group that no other test has."""
    return f"test{next(_numbers)}.example.org"


def config_map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def thing(group: str, **meta: str) -> Object:
    return {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "one", **meta}, "spec": {"size": 1}}


def actions(results: list[Result]) -> dict[str, str]:
    return {f"{each.kind} {each.name}": each.action for each in results}


def names(api: ApiServer, path: str) -> set[str]:
    return {each["metadata"]["name"] for each in api.request("GET", path)["items"]}


def test_namespace_of_the_client_may_be_among_the_documents(kubeconfig: Path, group: str) -> None:
    name = f"own-{group.partition('.')[0]}"
    place: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    with client.connect(client.Connection(kubeconfig=str(kubeconfig), namespace=name)) as connected:
        results = manifest.ensure_present(connected, [config_map("settings"), place], OPTIONS)
    assert actions(results) == {f"Namespace {name}": "created", "ConfigMap settings": "created"}


def test_definition_may_gain_what_the_documents_need(connected: client.Client, group: str) -> None:
    first = definition(group)
    manifest.ensure_present(connected, [first], OPTIONS)
    second = copy.deepcopy(first)
    second["spec"]["versions"].append({**first["spec"]["versions"][0], "name": "v2", "storage": False})
    results = manifest.ensure_present(connected, [{**thing(group), "apiVersion": f"{group}/v2"}, second], OPTIONS)
    assert actions(results) == {f"CustomResourceDefinition things.{group}": "changed", "Thing one": "created"}


def test_order_is_found_whatever_the_documents_is(api: ApiServer, connected: client.Client, group: str) -> None:
    place = {"namespace": f"new-{group.partition('.')[0]}"}
    documents = [
        thing(group, **place),
        {**config_map("settings", a="1"), "metadata": {"name": "settings", **place}},
        definition(group),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place["namespace"]}},
    ]
    rehearsed = manifest.ensure_present(connected, documents, replace(OPTIONS, dry_run=True))
    assert set(actions(rehearsed).values()) == {"created"}
    assert place["namespace"] not in names(api, "/api/v1/namespaces")

    created = manifest.ensure_present(connected, documents, OPTIONS)
    assert actions(created) == actions(rehearsed)
    assert [each.cause for each in created] == [None] * 4
    assert names(api, f"/apis/{group}/v1/namespaces/{place['namespace']}/things") == {"one"}

    again = manifest.ensure_present(connected, documents, OPTIONS)
    assert set(actions(again).values()) == {"unchanged"}


def test_only_what_differs_is_changed(connected: client.Client) -> None:
    manifest.ensure_present(connected, [config_map("a", x="1"), config_map("b", x="1")], OPTIONS)
    results = manifest.ensure_present(connected, [config_map("a", x="1"), config_map("b", x="2")], OPTIONS)
    assert actions(results) == {"ConfigMap a": "unchanged", "ConfigMap b": "changed"}
    assert (results[1].before["data"], results[1].after["data"]) == ({"x": "1"}, {"x": "2"})


def test_what_programs_keep_in_an_object_is_none_of_its_declaration(
    api: ApiServer, connected: client.Client, namespace: str
) -> None:
    manifest.ensure_present(connected, [config_map("a", x="1")], OPTIONS)
    path = f"/api/v1/namespaces/{namespace}/configmaps/a"
    declared = api.request("GET", path)
    connected.request("PUT", path, body={**declared, "data": {"x": "1", "state": "2"}}, action="keep a state")
    assert not differs(declared, api.request("GET", path))


def test_absent_takes_custom_resources_before_their_definition(
    api: ApiServer, connected: client.Client, group: str
) -> None:
    documents = [definition(group), thing(group), config_map("a")]
    manifest.ensure_present(connected, documents, OPTIONS)
    rehearsed = manifest.ensure_absent(connected, documents, replace(OPTIONS, dry_run=True))
    assert set(actions(rehearsed).values()) == {"deleted"}
    assert f"things.{group}" in names(api, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")

    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(manifest.ensure_absent, connected, documents, OPTIONS)
        path = f"/apis/{group}/v1/namespaces/{connected.namespace}/things/one"
        eventually(lambda: "deletionTimestamp" in api.request("GET", path)["metadata"], within=5, what="deletion")
        # What the garbage collector of a real Kubernetes does.
        api.request("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE_PATCH)
        results = wait.result()
    assert [each.kind for each in results] == ["Thing", "ConfigMap", "CustomResourceDefinition"]
    assert set(actions(results).values()) == {"deleted"}
    assert f"things.{group}" not in names(api, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")

    again = manifest.ensure_absent(connected, documents, OPTIONS)
    assert set(actions(again).values()) == {"absent"}


@pytest.fixture
def foreign(api: ApiServer, namespace: str) -> str:
    """The path of a config map `b` of somebody else."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api.request("POST", path, config_map("b", owner="them"))
    return f"{path}/b"


def test_what_is_not_ours_is_refused_before_anything_is_changed(
    api: ApiServer, connected: client.Client, foreign: str
) -> None:
    documents = [config_map("a"), config_map("b", owner="us")]
    for operation in (manifest.ensure_present, manifest.ensure_absent):
        with pytest.raises(NotOursError, match=r"ConfigMap b in namespace .* was not made by Slipway"):
            operation(connected, documents, OPTIONS)
    assert api.request("GET", foreign)["data"] == {"owner": "them"}
    assert "a" not in names(api, foreign.rpartition("/")[0])


def test_what_is_not_ours_can_be_left_alone(api: ApiServer, connected: client.Client, foreign: str) -> None:
    documents = [config_map("a"), config_map("b", owner="us")]
    skipping = replace(OPTIONS, foreign="skip")
    results = manifest.ensure_present(connected, documents, skipping)
    assert actions(results) == {"ConfigMap a": "created", "ConfigMap b": "none"}
    assert actions(manifest.ensure_absent(connected, documents, skipping)) == {
        "ConfigMap a": "deleted",
        "ConfigMap b": "none",
    }
    assert api.request("GET", foreign)["data"] == {"owner": "them"}


def test_what_is_not_ours_can_be_taken_over_but_not_deleted(
    api: ApiServer, connected: client.Client, foreign: str
) -> None:
    adopting = replace(OPTIONS, foreign="adopt")
    with pytest.raises(NotOursError):
        manifest.ensure_absent(connected, [config_map("b")], adopting)
    results = manifest.ensure_present(connected, [config_map("b", owner="us")], adopting)
    assert actions(results) == {"ConfigMap b": "changed"}
    assert api.request("GET", foreign)["data"] == {"owner": "us"}
    assert actions(manifest.ensure_absent(connected, [config_map("b")], OPTIONS)) == {"ConfigMap b": "deleted"}


def test_unknown_kinds_are_told_all_at_once(connected: client.Client, group: str) -> None:
    documents = [config_map("a"), thing(group), {**thing(group), "kind": "Other"}]
    with pytest.raises(InvalidInputError) as error:
        manifest.ensure_present(connected, documents, OPTIONS)
    assert [problem.partition(":")[0] for problem in error.value.problems] == ["Thing one", "Other one"]
    assert set(actions(manifest.ensure_absent(connected, documents[1:], OPTIONS)).values()) == {"absent"}


def test_misspelt_kind_is_not_called_absent(connected: client.Client) -> None:
    documents = [config_map("a"), {**config_map("b"), "kind": "ConfigMaps"}]
    with pytest.raises(InvalidInputError, match=r"ConfigMaps of v1; did you mean ConfigMap\?"):
        manifest.ensure_absent(connected, documents, OPTIONS)


def test_a_document_that_the_server_refuses_stops_all(api: ApiServer, connected: client.Client, namespace: str) -> None:
    with pytest.raises(RejectedError, match=r"ConfigMap b .*dta"):
        manifest.ensure_present(connected, [config_map("a"), {**config_map("b"), "dta": {}}], OPTIONS)
    assert "a" not in names(api, f"/api/v1/namespaces/{namespace}/configmaps")


def test_wait_names_what_is_not_ready(connected: client.Client) -> None:
    ports = [{"port": 80}]
    meta = {"name": "front"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"type": "LoadBalancer", "ports": ports},
    }
    results = manifest.ensure_present(connected, [config_map("a"), service], replace(OPTIONS, timeout=1))
    causes = [each.cause and each.cause.code for each in results]
    assert causes == [None, "address_pending"]
    assert actions(manifest.ensure_absent(connected, [service], OPTIONS)) == {"Service front": "deleted"}


class Webhook(BaseHTTPRequestHandler):
    """Admits whatever it is asked about."""

    def do_POST(self) -> None:
        """Answer an AdmissionReview."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {**review, "response": {"uid": review["request"]["uid"], "allowed": True}}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


def admission(api: ApiServer, group: str, port: int) -> Object:
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
    ca = base64.b64encode(api.certificate.read_bytes()).decode()
    webhook = {
        "name": f"admit.{group}",
        "rules": [rule],
        "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": ca},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": group},
        "webhooks": [webhook],
    }


def asks_its_webhook(api: ApiServer, namespace: str, group: str) -> bool:
    """Whether the API server asks whom nobody has started yet: it does a moment after the configuration is stored."""
    try:
        api.request("POST", f"/apis/{group}/v1/namespaces/{namespace}/things?dryRun=All", thing(group))
    except ApiError as error:
        return "failed calling webhook" in str(error)
    return False


def test_custom_resource_waits_for_its_webhook(api: ApiServer, connected: client.Client, group: str) -> None:
    [port] = free_ports(1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(api.certificate, api.private_key)

    def listen() -> HTTPServer:
        server = HTTPServer(("127.0.0.1", port), Webhook)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    servers: list[HTTPServer] = []
    late = threading.Timer(1.5, lambda: servers.append(listen()))
    documents = [admission(api, group, port), definition(group)]
    manifest.ensure_present(connected, documents, OPTIONS)
    eventually(lambda: asks_its_webhook(api, connected.namespace, group), within=10, what="the webhook in effect")
    began = time.monotonic()
    late.start()
    try:
        results = manifest.ensure_present(connected, [thing(group), *documents], OPTIONS)
        assert [each.cause for each in results] == [None] * 3
        assert 1.5 <= time.monotonic() - began < 10
    finally:
        late.join()
        servers[0].shutdown()
        servers[0].server_close()
    gone = manifest.ensure_absent(connected, [admission(api, group, port)], OPTIONS)
    assert actions(gone) == {f"ValidatingWebhookConfiguration {group}": "deleted"}


def test_webhook_that_never_answers_is_named(api: ApiServer, connected: client.Client, group: str) -> None:
    [port] = free_ports(1)
    webhook = admission(api, group, port)
    manifest.ensure_present(connected, [definition(group), webhook], OPTIONS)
    [result] = manifest.ensure_present(connected, [thing(group)], replace(OPTIONS, timeout=3))
    assert result.cause
    assert (result.cause.code, result.action) == ("webhook_unavailable", "none")
    assert f"admit.{group}" in result.cause.summary
    manifest.ensure_absent(connected, [webhook], OPTIONS)


def test_module(api: ApiServer, kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.yaml").write_text(json.dumps(config_map("a", x="1")))
    (tmp_path / "docs/b.json").write_text(json.dumps(config_map("b")))
    (tmp_path / "docs/notes.txt").write_text("no document")
    patch = {"kind": "ConfigMap", "name": "a", "operations": [{"op": "replace", "path": "/data/x", "value": "2"}]}
    options = {
        "src": [str(tmp_path / "docs")],
        "definition": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\n",
        "patches": [patch],
        "namespace": namespace,
    }
    first = module("manifest", options, "--diff", kubeconfig=kubeconfig)
    assert first.code == 0, first.output
    assert [(each["name"], each["action"], each["state"]) for each in first.result["objects"]] == [
        (name, "created", "available") for name in "abc"
    ]
    assert api.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/a")["data"] == {"x": "2"}
    second = module("manifest", options, kubeconfig=kubeconfig)
    assert (second.code, second.result["changed"]) == (0, False), second.output
    gone = module("manifest", {**options, "state": "absent"}, kubeconfig=kubeconfig)
    assert (gone.code, gone.result["changed"]) == (0, True), gone.output
    with pytest.raises(ApiError, match="404"):
        api.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/a")


def test_prune(api: ApiServer, kubeconfig: Path, connected: client.Client, namespace: str) -> None:
    """What is no longer declared goes; what others declare, or what only carries the label, stays."""
    manifest.ensure_present(connected, manifest.declared([config_map("theirs")], "other"), OPTIONS)
    copied = {"name": "copied", "labels": {manifest.DECLARED_BY: "app"}}
    api.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", {**config_map("copied"), "metadata": copied})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    options = {"namespace": namespace, "declared_by": "app", "prune": True}
    steps: list[tuple[list[Object], dict[str, str]]] = [
        ([config_map("a"), config_map("b"), secret], {"a": "created", "b": "created", "s": "created"}),
        ([config_map("b", x="1")], {"b": "changed", "a": "deleted", "s": "deleted"}),
        ([config_map("b", x="1")], {"b": "unchanged"}),
    ]
    for documents, expected in steps:
        everything = {**options, "definition": documents}
        for flags in (["--check"], []):
            answer = module("manifest", everything, *flags, kubeconfig=kubeconfig)
            assert {each["name"]: each["action"] for each in answer.result["objects"]} == expected, answer.output
    left = names(api, f"/api/v1/namespaces/{namespace}/configmaps")
    assert left == {"b", "theirs", "copied"}


def test_an_object_may_have_its_own_time(connected: client.Client) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
    documents = [{**service, "metadata": {"name": name}} for name in ("slow", "fast")]
    timeouts = {"slow": 2.0, "fast": 0.5}
    options = replace(OPTIONS, timeout_of=lambda obj: timeouts[obj["metadata"]["name"]])
    began = time.monotonic()
    results = manifest.ensure_present(connected, documents, options)
    assert 2 <= time.monotonic() - began < 4
    assert [each.cause and each.cause.summary.partition(" s")[0] for each in results] == [
        "not done after 2",
        "not done after 0.5",
    ]
