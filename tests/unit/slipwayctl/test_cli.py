"""The command line: what it understands, what it prints, how it exits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from slipway.v1 import clusters_pb2 as pb
from slipwayctl import cli, commands

from tests.support.paths import CHECKOUT
from tests.support.waiting import eventually
from tests.unit.slipwayctl.double import Double, before

if TYPE_CHECKING:
    from pathlib import Path


def run(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    """Run a command line. Returns its exit code, what it wrote to stdout, and to stderr."""
    code = cli.run(line.split())
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "make demo",
        "create demo",
        "create demo --replicas many",
        "create demo --replicas 2147483648",
        "create demo --replicas 1 --env A",
        "create demo --replicas 1 --command '",
        "list --timeout -1",
        "list --timeout inf",
        "list -o yaml",
        "soak --clusters 0",
        "soak --second 3",
    ],
)
def test_usage(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.run(line.split())
    assert caught.value.code == cli.USAGE
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", *(command.name for command in cli.COMMANDS)])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.run([*command.split(), "--help"])
    assert caught.value.code == cli.OK
    assert "exit codes" in capsys.readouterr().out.lower()


def test_spec() -> None:
    line = ["create", "demo", "--replicas", "-3", "--image", "i", "--command", "sh -c 'sleep 1'", "--args", "a b"]
    line += ["--env", "A=B=C", "--env", "D=", "--label", "x=y", "--request", "cpu=1m", "--limit", "memory=1Mi"]
    assert commands.spec_of(cli.parser().parse_args(line)) == pb.ClusterSpec(
        image="i",
        replicas=-3,
        command=["sh", "-c", "sleep 1"],
        args=["a", "b"],
        env={"A": "B=C", "D": ""},
        labels={"x": "y"},
        resources=pb.Resources(requests={"cpu": "1m"}, limits={"memory": "1Mi"}),
    )


@pytest.mark.usefixtures("address")
def test_life_of_a_cluster(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[tuple[str, int, str]] = [
        ("create demo --replicas 30", 0, "clusters/demo is RUNNING, 30 of 30 available, after "),
        ("list", 0, "NAMESPACE  NAME  STATE    AVAILABLE  IMAGE      OWNER   AGE\nclusters   demo  RUNNING  30/30"),
        ("get demo", 0, "NAMESPACE  NAME  STATE    AVAILABLE  IMAGE      OWNER   AGE\nclusters   demo  RUNNING  30/30"),
        ("scale demo --replicas 3", 0, "clusters/demo is RUNNING, 3 of 3 available, after "),
        ("delete demo", 0, "clusters/demo is DELETED, after "),
        ("list", 0, ""),
        ("delete demo", 1, ""),
        ("delete demo --allow-missing", 0, "demo is gone, after "),
        ("watch demo", 1, ""),
    ]
    for line, code, start in rows:
        exited, out, _ = run(capsys, line)
        assert (line, exited) == (line, code)
        assert out.startswith(start)
    assert double.asked(pb.DeleteClusterRequest)[0].uid


@pytest.mark.usefixtures("address")
def test_json(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "create demo --replicas 0 -o json")
    answer = json.loads(out)
    assert (code, answer["created"], answer["cluster"]["available_replicas"]) == (0, True, 0)
    assert json.loads(run(capsys, "get demo -o json")[1])["state"] == "RUNNING"
    assert [each["name"] for each in json.loads(run(capsys, "list -o json")[1])["clusters"]] == ["demo"]
    double.faults["get"].append(before(grpc.StatusCode.INTERNAL))
    code, out, err = run(capsys, "get demo -o json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "INTERNAL")
    assert err == "error: INTERNAL: it failed\n"


@pytest.mark.usefixtures("address")
def test_why_it_failed(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    cause = pb.Cause(code="image_not_found", summary="no image x", evidence=["ErrImagePull"], hint="Name another.")
    double.faults["create"].append(before(grpc.StatusCode.FAILED_PRECONDITION, cause))
    code, out, err = run(capsys, "create demo --replicas 1 -q")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "error: FAILED_PRECONDITION: it failed",
        "  cause     image_not_found: no image x",
        "  evidence  ErrImagePull",
        "  hint      Name another.",
    ]


@pytest.mark.usefixtures("address")
def test_progress_goes_to_stderr(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "create demo --replicas 1")

    def slowly(answer: Any, _: Any) -> Any:
        time.sleep(1)
        answered = answer()
        time.sleep(1)
        return answered

    double.faults["delete"].append(slowly)
    code, out, err = run(capsys, "delete demo")
    assert code == 0
    assert out.startswith("clusters/demo is DELETED")
    assert [line.split()[2] for line in err.splitlines()] == ["RUNNING", "DELETED"]


@pytest.mark.usefixtures("address")
def test_watch(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "create demo --replicas 1")
    threading.Timer(1, lambda: double._put("demo", None)).start()
    code, out, _ = run(capsys, "watch demo -o json")
    assert code == 0
    assert [json.loads(line)["cluster"]["state"] for line in out.splitlines()] == ["RUNNING", "DELETED"]


@pytest.mark.usefixtures("address")
def test_scenario_prints_the_four_lines(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "scenario --replicas 5")
    lines = [line.split(" level=info ")[1].split(" seconds=")[0] for line in out.splitlines()]
    about = "name=driver replicas=5"
    assert (code, err) == (0, "")
    assert lines == [
        f'msg="Creating cluster" {about}',
        f'msg="Created cluster" {about}',
        f'msg="Deleting cluster" {about}',
        f'msg="Deleted cluster" {about}',
    ]
    assert out.splitlines()[3].endswith(" object_gone=0.500 pods_gone=2.000")
    assert not double.clusters


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("address")
def test_interrupted(double: Double, number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "slipwayctl", "watch", "demo", "--await-creation"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=os.environ, stdout=log, stderr=log)
    eventually(lambda: double.asked(pb.WatchClusterRequest), within=20, what="it watches")
    process.send_signal(number)
    assert process.wait(10) == cli.INTERRUPTED
    assert (tmp_path / "log").read_text() == ""


def test_no_way_to_a_worker(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("K8S_AUTH_KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    code, out, err = run(capsys, "list")
    assert (code, out) == (1, "")
    assert err.startswith("error: There is no kubeconfig to reach a worker by: /nowhere does not exist.\n  hint ")
