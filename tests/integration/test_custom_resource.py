"""A custom resource through its life, with a controller that is a few lines of the test's own."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import clean_environment, module
from tests.support.api_server import MERGE_PATCH
from tests.support.paths import CHECKOUT, VENV_BIN
from tests.support.things import definition

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

Object = dict[str, Any]

GROUP = "life.example.org"
THING = {
    "apiVersion": f"{GROUP}/v1",
    "kind": "Thing",
    "metadata": {"name": "one"},
    "spec": {"replicas": 1, "color": "red"},
}


@pytest.fixture
def things(kubeconfig: Path, namespace: str) -> str:
    """The path of the things of a namespace."""
    answer = module("manifest", {"definition": definition(GROUP)}, kubeconfig=kubeconfig)
    assert answer.code == 0, answer.output
    return f"/apis/{GROUP}/v1/namespaces/{namespace}/things"


def spec(api: ApiServer, things: str) -> Object:
    found: Object = api.request("GET", f"{things}/one")["spec"]
    return found


LIFE: list[tuple[dict[str, Any], str, Object]] = [
    ({"replicas": 3}, "created", {"replicas": 3, "color": "red"}),
    ({"state": "ready"}, "unchanged", {"replicas": 3, "color": "red"}),
    ({"state": "scaled", "replicas": 2}, "scaled", {"replicas": 2, "color": "red"}),
    ({"state": "scaled", "replicas": 2}, "unchanged", {"replicas": 2, "color": "red"}),
    ({"state": "patched", "patch": {"spec": {"color": "blue"}}}, "changed", {"replicas": 2, "color": "blue"}),
    ({}, "changed", {"replicas": 1, "color": "red"}),
]


def test_life(api: ApiServer, kubeconfig: Path, namespace: str, things: str, tmp_path: Path) -> None:
    (tmp_path / "thing.json").write_text(json.dumps(THING))
    known = {"src": [str(tmp_path / "thing.json")], "namespace": namespace}
    for options, action, expected in LIFE:
        changes = action != "unchanged"
        before = None if action == "created" else spec(api, things)
        answers = [module("custom_resource", {**known, **options}, "--check", kubeconfig=kubeconfig)] if changes else []
        assert before == (None if action == "created" else spec(api, things))
        answers.append(module("custom_resource", {**known, **options}, kubeconfig=kubeconfig))
        for each in answers:
            assert [row["action"] for row in each.result["objects"]] == [action], each.output
            assert each.result["changed"] is changes
        assert spec(api, things) == expected


def test_two_stages_are_logged_and_shown(
    api: ApiServer, kubeconfig: Path, namespace: str, things: str, tmp_path: Path
) -> None:
    log = tmp_path / "events.ndjson"
    options = {"definition": THING, "namespace": namespace, "events_path": str(log)}
    answer = module("custom_resource", options, kubeconfig=kubeconfig)
    lines = re.findall(
        r"^ +[0-9.]+ s  (executed|took effect) +Thing one in namespace \S+: .+$", answer.output, re.MULTILINE
    )
    assert lines == ["executed", "took effect"], answer.output
    assert "\x1b[" not in answer.output
    silent = module("custom_resource", {**options, "state": "ready", "progress": False}, kubeconfig=kubeconfig)
    assert (silent.code, "took effect" in silent.output) == (0, False), silent.output
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [each["milestone"] for each in events if each["milestone"]] == ["executed", "took effect", "took effect"]
    assert api.request("GET", f"{things}/one")["metadata"]["name"] == events[0]["name"]


@pytest.mark.parametrize(("env", "colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colors_of_a_terminal(
    kubeconfig: Path, namespace: str, things: str, env: dict[str, str], colored: bool
) -> None:
    options = json.dumps({"definition": THING, "namespace": namespace})
    command = [str(VENV_BIN / "ansible"), "localhost", "-m", "slipway.cloud.custom_resource", "-a", options]
    environment = {**clean_environment(), "KUBECONFIG": str(kubeconfig), "TERM": "xterm-256color", **env}
    terminal, other = pty.openpty()
    with subprocess.Popen(command, env=environment, cwd=CHECKOUT, stdin=other, stdout=other, stderr=other) as process:
        os.close(other)
        shown = _read(terminal)
    assert process.returncode == 0, shown
    line = next(line for line in shown.splitlines() if "took effect" in line)
    assert line.startswith("\x1b[0;32m") is colored, shown
    assert things


def _read(terminal: int) -> str:
    """All that is written to a terminal until nobody holds it any more."""
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(terminal)
    return b"".join(parts).decode()


RULES = {
    "ready_when": [{"jsonpath": ".status.phase", "value": "Up"}],
    "fail_when": [{"jsonpath": ".status.phase", "operator": "in", "value": ["Broken"]}],
    "wait_timeout": 1,
}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({"phase": "Up"}, None),
        ({"phase": "Broken"}, r"Thing one .* has failed: \.status\.phase in"),
        ({}, r"not done after 1 s: .*\.status\.phase is not there, wanted == Up"),
    ],
)
def test_rules_of_the_caller(
    api: ApiServer, kubeconfig: Path, namespace: str, things: str, status: Object, message: str | None
) -> None:
    api.request("POST", things, {**THING, "status": status})
    options = {"definition": THING, "namespace": namespace, "state": "ready", **RULES}
    answer = module("custom_resource", options, kubeconfig=kubeconfig)
    if message is None:
        assert answer.code == 0, answer.output
    else:
        assert re.search(message, answer.result["msg"]), answer.output


def test_a_kind_of_which_nothing_tells_is_warned_about(kubeconfig: Path, namespace: str, things: str) -> None:
    answer = module("custom_resource", {"definition": THING, "namespace": namespace}, kubeconfig=kubeconfig)
    assert "[WARNING]: Thing one" in answer.output, answer.output
    assert things


def test_a_wait_ends_when_the_controller_says_so(api: ApiServer, kubeconfig: Path, namespace: str, things: str) -> None:
    """By kstatus' conventions: Ready false is waited for, and the reason is told."""
    known = {"definition": THING, "namespace": namespace, "wait_timeout": 1}
    module("custom_resource", known, kubeconfig=kubeconfig)
    condition = {"type": "Ready", "status": "False", "reason": "Cold", "message": "it warms up"}
    api.request("PATCH", f"{things}/one", {"status": {"conditions": [condition]}}, content_type=MERGE_PATCH)
    answer = module("custom_resource", {**known, "state": "ready"}, kubeconfig=kubeconfig)
    assert re.search(r"not done after 1 s: .*Cold: it warms up", answer.result["msg"]), answer.output
