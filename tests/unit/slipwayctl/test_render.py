"""Lines, tables and JSON."""

from __future__ import annotations

import datetime as dt
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from slipway.v1 import clusters_pb2 as pb
from slipwayctl import render
from slipwayctl.errors import CallFailedError, SetupError
from slipwayctl.failures import Failure

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
CAUSE = pb.Cause(
    code="image_not_found",
    summary="there is no image x:1",
    evidence=["Failed: ErrImagePull", "two\nlines"],
    hint="Name another.",
)


def cluster(**more: Any) -> pb.Cluster:
    made = pb.Cluster(
        name="demo", namespace="clusters", uid="7", spec=pb.ClusterSpec(replicas=30), state=pb.RUNNING, owner="driver"
    )
    made.create_time.FromDatetime(NOW - dt.timedelta(minutes=3, seconds=5))
    made.available_replicas = 30
    made.MergeFrom(pb.Cluster(**more))
    return made


def test_table() -> None:
    rows = [cluster(), pb.Cluster(name="a-longer-name", namespace="x", spec=pb.ClusterSpec(image="i"), state=pb.FAILED)]
    assert render.table(rows, now=NOW) == [
        "NAMESPACE  NAME           STATE    AVAILABLE  IMAGE      OWNER   AGE",
        "clusters   demo           RUNNING  30/30      (default)  driver  3m5s",
        "x          a-longer-name  FAILED   0/0        i          -       -",
    ]


def test_colours_do_not_move_columns() -> None:
    painted = render.table([cluster()], now=NOW, paint=render.coloured)
    assert painted[1] == "clusters   demo  \x1b[32mRUNNING\x1b[0m  30/30      (default)  driver  3m5s"


@pytest.mark.parametrize(
    ("terminal", "environ", "coloured"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_when_there_are_colours(terminal: bool, environ: dict[str, str], coloured: bool) -> None:
    assert (render.painter(terminal=terminal, environ=environ) is render.coloured) == coloured


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "0s"), (0.9, "0s"), (59, "59s"), (185, "3m5s"), (3600, "1h"), (90061, "1d1h"), (86400 * 400 + 60, "400d1m")],
)
def test_age(seconds: float, expected: str) -> None:
    assert render.age(seconds) == expected


def test_details_tell_the_cause() -> None:
    lines = render.details(cluster(state=pb.FAILED, cause=CAUSE), now=NOW)
    assert lines[2:] == [
        "",
        "  cause     image_not_found: there is no image x:1",
        "  evidence  Failed: ErrImagePull",
        "            two",
        "            lines",
        "  hint      Name another.",
    ]


def test_state_of_a_newer_protocol() -> None:
    assert render.state(pb.Cluster.FromString(b"\x28\x63")) == "99"


@pytest.mark.parametrize(
    ("of", "phases", "expected"),
    [
        (
            cluster(),
            pb.Phases(applied=Duration(nanos=20_000_000), available=Duration(seconds=4)),
            "clusters/demo is RUNNING, 30 of 30 available, after 4.20 s (applied 0.02, available 4.00)",
        ),
        (
            cluster(state=pb.DELETED),
            pb.Phases(object_gone=Duration(seconds=1), pods_gone=Duration(seconds=4)),
            "clusters/demo is DELETED, after 4.20 s (object gone 1.00, pods gone 4.00)",
        ),
        (
            cluster(state=pb.UPDATE_IN_PROGRESS),
            pb.Phases(),
            "clusters/demo is UPDATE_IN_PROGRESS, 30 of 30 available, after 4.20 s",
        ),
    ],
)
def test_outcome(of: pb.Cluster, phases: pb.Phases, expected: str) -> None:
    assert render.outcome(of, 4.2, phases) == expected


@pytest.mark.parametrize(
    ("of", "message", "expected"),
    [
        (cluster(), "3 of 30 available", "RUNNING             demo: 3 of 30 available"),
        (cluster(), "", "RUNNING             demo: 30 of 30 available"),
        (cluster(state=pb.FAILED, cause=CAUSE), "0 of 30", "FAILED              demo: there is no image x:1"),
        (cluster(state=pb.DELETED), "still there: deployment demo", "DELETED             demo: gone"),
    ],
)
def test_change(of: pb.Cluster, message: str, expected: str) -> None:
    seen = pb.WatchClusterResponse(cluster=of, message=message)
    assert render.change(seen, 1.5) == f"    1.50 s  {expected}"


def test_json_has_the_names_of_the_protocol_and_defaults() -> None:
    found = render.as_json(pb.Cluster(name="demo", state=pb.RUNNING))
    assert found["available_replicas"] == 0
    assert found["state"] == "RUNNING"
    assert "cause" not in found


def failed(**more: Any) -> CallFailedError:
    return CallFailedError(Failure(code=grpc.StatusCode.FAILED_PRECONDITION, message="no", told=True, **more), "Do it.")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SetupError("There is no way."), ["error: There is no way."]),
        (SetupError("There is no way.", "Make one."), ["error: There is no way.", "  hint      Make one."]),
        (
            failed(reason="NOT_OURS", metadata={"uid": "7"}),
            ["error: FAILED_PRECONDITION: no", "  reason    NOT_OURS uid=7", "  hint      Do it."],
        ),
        (
            failed(violations=("a: b", "c: d"), reason="FAILED_PRECONDITION"),
            ["error: FAILED_PRECONDITION: no", "  field     a: b", "            c: d", "  hint      Do it."],
        ),
        (failed(violations=("no",)), ["error: FAILED_PRECONDITION: no", "  hint      Do it."]),
        (
            failed(cause=pb.Cause(code="quota", summary="full", hint="Ask."), reason="QUOTA"),
            ["error: FAILED_PRECONDITION: no", "  cause     quota: full", "  hint      Ask.", "  hint      Do it."],
        ),
    ],
)
def test_errors(error: SetupError | CallFailedError, expected: list[str]) -> None:
    assert render.error_lines(error) == expected


def test_errors_as_json() -> None:
    found = render.error_json(failed(cause=CAUSE, reason="IMAGE_NOT_FOUND"))["error"]
    assert found["code"] == "FAILED_PRECONDITION"
    assert found["reason"] == "IMAGE_NOT_FOUND"
    assert found["cause"]["evidence"] == ["Failed: ErrImagePull", "two\nlines"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ""),
        ({"name": "demo", "replicas": 30, "seconds": 1.23456}, " name=demo replicas=30 seconds=1.235"),
        ({"name": 'a "b"', "empty": ""}, r' name="a \"b\"" empty=""'),
    ],
)
def test_logfmt(fields: dict[str, Any], expected: str) -> None:
    start = 'time="2026-01-02T03:04:05Z" level=info msg="Creating cluster"'
    assert render.logfmt("Creating cluster", NOW, **fields) == start + expected
