"""Logs are lines of JSON, whatever is logged."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from slipway.v1 import clusters_pb2 as pb
from slipway_worker import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Have logs configured for one test; returns what was logged since."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "raiseExceptions"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    root.handlers[:] = []  # pytest's own are not to be closed
    logs.configure(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = before


def test_a_line_has_time_level_logger_message_and_fields(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("engine").warning("%d streams", 3, extra={"namespace": "clusters", "odd": {1}})
    (line,) = lines()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "engine",
        "message": "3 streams",
        "namespace": "clusters",
        "odd": "{1}",
    }


def test_an_exception_is_a_field(lines: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        raise ValueError("of\ntwo lines")
    except ValueError:
        logging.getLogger("engine").exception("It failed")
    (line,) = lines()
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: of\ntwo lines")


def test_what_nobody_catches_or_warns_of_is_a_line_too(lines: Callable[[], list[dict[str, Any]]]) -> None:
    def fail() -> None:
        raise RuntimeError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    logging.getLogger("urllib3.connectionpool").warning("Connection pool is full")
    assert [(line["level"], line["message"].split(": ")[0]) for line in lines()[:1]] == [("critical", "Not caught")]
    assert all("pool" not in line["message"] for line in lines())


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
    lines: Callable[[], list[dict[str, Any]]], request_: object, code: str, expected: dict[str, Any]
) -> None:
    logs.call(
        method="Method", request=request_, namespace="first", caller="driver", code=code, seconds=0.12345678, detail=""
    )
    (line,) = lines()
    fixed = {"method": "Method", "caller": "driver", "code": code, "seconds": 0.123457, "message": f"Method: {code}"}
    assert line | fixed | expected == line
