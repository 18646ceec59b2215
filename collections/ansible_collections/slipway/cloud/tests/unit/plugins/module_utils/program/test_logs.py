# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of program.logs: lines of JSON, whatever is logged."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import typing as t
import warnings

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.program import logs

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, t.Any]]]]:
    """Have logs configured for one test; returns what was logged since."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "raiseExceptions"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    root.handlers[:] = []  # pytest's own are not to be closed
    logs.configure(stream, noisy=["urllib3"])
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = before


def test_a_line_has_time_level_logger_message_and_fields(lines: Callable[[], list[dict[str, t.Any]]]) -> None:
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


def test_an_exception_is_a_field(lines: Callable[[], list[dict[str, t.Any]]]) -> None:
    try:
        raise ValueError("of\ntwo lines")
    except ValueError:
        logging.getLogger("engine").exception("It failed")
    (line,) = lines()
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: of\ntwo lines")


def test_what_nobody_catches_or_warns_of_is_a_line_too(lines: Callable[[], list[dict[str, t.Any]]]) -> None:
    def fail() -> None:
        raise RuntimeError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    logging.getLogger("urllib3.connectionpool").warning("Connection pool is full")
    assert [(line["level"], line["message"].split(": ")[0]) for line in lines()[:1]] == [("critical", "Not caught")]
    assert all("pool" not in line["message"] for line in lines())
