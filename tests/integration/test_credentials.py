"""The module credentials against an API server: what is kept in Secrets, and what of it is seen."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from ansible_collections.slipway.cloud.plugins.module_utils._credentials import contents, secret_with
from tests.support.ansible import Run, module

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

GIVEN = "open sesame"
COPY = {"name": "till", "key": "login.json", "content": [{"user": "${user}", "password": "${password}"}]}


def held(api: ApiServer, namespace: str, name: str) -> dict[str, str]:
    return contents(api.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}"))


def test_life(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    def run(password: str, *flags: str, **more: Any) -> Run:
        options = {"namespace": namespace, "name": "login", "values": {"user": "ada", "password": password}, **more}
        answer = module("credentials", options, "--diff", "-vvv", *flags, kubeconfig=kubeconfig)
        for value in (GIVEN, base64.b64encode(GIVEN.encode()).decode()):
            assert value not in answer.output
        return answer

    assert run("", "--check", copies=[COPY]).result["changed"]
    assert not api.has(f"/api/v1/namespaces/{namespace}/secrets/login")

    first = run("", copies=[COPY])
    made = held(api, namespace, "login")
    assert (made["user"], len(made["password"])) == ("ada", 32)
    assert made["password"] not in first.output
    assert json.loads(held(api, namespace, "till")["login.json"]) == [made]

    again = run("", copies=[COPY])
    assert again.result["changed"] is False
    assert held(api, namespace, "login") == made
    assert again.result["secrets"] == [{**each, "changed": False} for each in first.result["secrets"]]

    given = run(GIVEN, copies=[COPY])
    assert [each["changed"] for each in given.result["secrets"]] == [True, True]
    assert held(api, namespace, "login") == {"user": "ada", "password": GIVEN}
    assert json.loads(held(api, namespace, "till")["login.json"]) == [{"user": "ada", "password": GIVEN}]
    assert given.result["secrets"][1]["version"] != first.result["secrets"][1]["version"]


def test_a_secret_of_others_is_used_and_never_written(api: ApiServer, namespace: str, kubeconfig: Path) -> None:
    theirs = secret_with("login", namespace, {"password": "theirs"}, None)
    del theirs["metadata"]["labels"]
    api.request("POST", f"/api/v1/namespaces/{namespace}/secrets", theirs)

    def run(values: dict[str, str]) -> Run:
        return module("credentials", {"namespace": namespace, "name": "login", "values": values}, kubeconfig=kubeconfig)

    assert run({"password": ""}).result["changed"] is False
    refused = run({"password": "other"})
    assert (refused.code != 0, refused.result["code"]) == (True, "not_ours")
    assert held(api, namespace, "login") == {"password": "theirs"}


def test_options_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    options = {"namespace": "x", "name": "login", "values": {"key": ""}, "copies": [{**COPY, "content": "${kye}"}]}
    refused = module("credentials", options, kubeconfig=tmp_path / "none")
    assert refused.code != 0
    assert "copies mention ${kye}, which values does not have" in refused.output
