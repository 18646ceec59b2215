"""A soak finds wrong answers, cleans up, and finishes what a killed one had in flight."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from slipway.v1 import clusters_pb2 as pb
from slipwayctl import cli
from slipwayctl.errors import SetupError
from slipwayctl.soak import Flight, read_flights, wrong

from tests.support.paths import CHECKOUT
from tests.support.waiting import eventually
from tests.unit.slipwayctl.double import Double, before

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUICK = ["--interval", "0", "--report", "1"]


def cluster(**more: Any) -> pb.Cluster:
    spec = {"spec": pb.ClusterSpec(replicas=3), "available_replicas": 3}
    return pb.Cluster(**{"name": "soak-1", "uid": "7", "state": pb.RUNNING, **spec, **more})


def flight(step: Any = "create", **more: Any) -> Flight:
    return Flight(**{"name": "soak-1", "step": step, "request_id": "r", "replicas": 3, **more})


@pytest.mark.parametrize(
    ("answered", "about", "state", "expected"),
    [
        (cluster(), flight(), pb.RUNNING, []),
        (cluster(), flight(uid="7"), pb.RUNNING, []),
        (cluster(), flight(uid="8"), pb.RUNNING, ["uid is '7', not '8'"]),
        (cluster(uid=""), flight(), pb.RUNNING, ["uid is missing"]),
        (cluster(name="x"), flight(), pb.RUNNING, ["name is 'x', not 'soak-1'"]),
        (cluster(state=pb.FAILED), flight(), pb.RUNNING, ["state is 'FAILED', not 'RUNNING'"]),
        (cluster(spec=pb.ClusterSpec(replicas=2)), flight(), pb.RUNNING, ["replicas is 2, not 3"]),
        (cluster(available_replicas=2), flight(), pb.RUNNING, ["available_replicas is 2, not 3"]),
        (cluster(available_replicas=0, state=pb.DELETED), flight(uid="7"), pb.DELETED, []),
        (cluster(), flight(uid="7"), pb.DELETED, ["state is 'RUNNING', not 'DELETED'"]),
    ],
)
def test_wrong_answers(answered: pb.Cluster, about: Flight, state: pb.State, expected: list[str]) -> None:
    assert wrong(answered, about, state) == expected


@pytest.mark.usefixtures("address")
def test_all_answers_right(double: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    code = cli.run(["soak", "--seconds", "2", *QUICK, "--state", str(state)])
    out, err = capsys.readouterr()
    assert (code, err, double.clusters, json.loads(state.read_text())) == (0, "", {}, [])
    assert 'msg="Soaking"' in out
    assert out.splitlines()[-1].endswith(" wrong=0 left=0")
    assert {type(request) for request in double.requests} == {
        pb.CreateClusterRequest,
        pb.GetClusterRequest,
        pb.ListClustersRequest,
        pb.ScaleClusterRequest,
        pb.DeleteClusterRequest,
    }


def another_uid(_: str, answer: Any) -> None:
    if isinstance(answer, pb.Cluster):
        answer.uid = "another"


def forgotten(_: str, answer: Any) -> None:
    if isinstance(answer, pb.ListClustersResponse):
        del answer.clusters[:]


def too_few(_: str, answer: Any) -> None:
    if isinstance(answer, pb.ScaleClusterResponse):
        answer.cluster.available_replicas += 1


@pytest.mark.parametrize(
    ("lie", "said"),
    [(another_uid, "uid is 'another'"), (forgotten, "it is not listed"), (too_few, "available_replicas is")],
)
@pytest.mark.usefixtures("address")
def test_first_wrong_answer_ends_it(
    double: Double, lie: Callable[[str, Any], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    double.lie = lie
    began = time.monotonic()
    assert cli.run(["soak", "--seconds", "60", *QUICK]) == cli.FAILED
    assert time.monotonic() - began < 20
    out, err = capsys.readouterr()
    assert said in err
    assert out.splitlines()[-1].endswith(" wrong=1 left=0")
    assert not double.clusters


@pytest.mark.usefixtures("address")
def test_failed_call_ends_it(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    double.faults["scale"].append(before(grpc.StatusCode.INTERNAL))
    assert cli.run(["soak", "--seconds", "60", *QUICK]) == cli.FAILED
    assert "INTERNAL" in capsys.readouterr().err
    assert not double.clusters


@pytest.mark.parametrize("method", ["create", "scale", "delete"])
@pytest.mark.parametrize("done", [False, True], ids=["before it is done", "after it is done"])
@pytest.mark.usefixtures("address")
def test_killed_in_a_call(
    double: Double, tmp_path: Path, method: str, done: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    reached: list[bool] = []

    def hang(answer: Any, context: Any) -> Any:
        if done:
            answer()
        reached.append(True)
        while context.is_active():
            time.sleep(0.05)

    double.faults[method].append(hang)
    command = [sys.executable, "-m", "slipwayctl", "soak", "--seconds", "60", "--clusters", "1", *QUICK]
    process = subprocess.Popen(
        [*command, "--state", str(state)], cwd=CHECKOUT, env=os.environ, stdout=subprocess.DEVNULL
    )
    eventually(lambda: reached, within=20, what="the call is made")
    process.kill()
    process.wait()
    (left,) = read_flights(state)
    assert (left.step, bool(left.uid)) == (method, method != "create")
    assert cli.run(["soak", "--seconds", "0", *QUICK, "--state", str(state)]) == cli.OK
    assert " resumed=1 " in capsys.readouterr().out
    assert (double.clusters, read_flights(state)) == ({}, [])
    ids = {request.request_id for request in double.asked(pb.CreateClusterRequest) if request.name == left.name}
    assert len(ids) == 1


@pytest.mark.usefixtures("address")
def test_wrong_answer_to_what_was_in_flight(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    row = {"name": "soak-1", "step": "create", "request_id": "r", "replicas": 3, "uid": "lost"}
    state.write_text(json.dumps([row]))
    assert cli.run(["soak", "--seconds", "0", *QUICK, "--state", str(state)]) == cli.FAILED
    assert "not 'lost'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "7", '[{"name": "x"}]', '["x"]'])
def test_a_file_that_is_not_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "state").write_text(text)
    with pytest.raises(SetupError, match="does not tell what was in flight"):
        read_flights(tmp_path / "state")
