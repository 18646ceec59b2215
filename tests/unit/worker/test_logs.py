"""Each call is a line of the log."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from slipway.v1 import clusters_pb2 as pb
from slipway_worker import logs


@pytest.mark.parametrize(
    ("request_", "code", "expected"),
    [
        pytest.param(
            pb.CreateClusterRequest(name="demo", namespace="clusters", request_id="r-1"),
            "OK",
            {"level": "info", "cluster": "demo", "namespace": "clusters", "request_id": "r-1"},
            id="a call",
        ),
        pytest.param(
            pb.ListClustersRequest(), "OK", {"namespace": "first", "cluster": "", "request_id": ""}, id="without names"
        ),
        pytest.param(None, "INVALID_ARGUMENT", {"level": "info", "cluster": ""}, id="not read"),
        pytest.param(pb.GetClusterRequest(name="x" * 9999), "NOT_FOUND", {"cluster": "x" * 253}, id="a long name"),
        pytest.param(pb.GetClusterRequest(name="demo"), "INTERNAL", {"level": "error"}, id="our mistake"),
    ],
)
def test_a_call_is_one_line(
    caplog: pytest.LogCaptureFixture, request_: object, code: str, expected: dict[str, Any]
) -> None:
    caplog.set_level(logging.INFO)
    logs.call(
        method="Method", request=request_, namespace="first", caller="driver", code=code, seconds=0.12345678, detail=""
    )
    (record,) = caplog.records
    line = {**vars(record), "level": record.levelname.lower(), "message": record.getMessage()}
    fixed = {"method": "Method", "caller": "driver", "code": code, "seconds": 0.123457, "message": f"Method: {code}"}
    assert line | fixed | expected == line
