"""How the program begins and ends, as a process of its own; no API server is there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from slipway_worker.settings import VARIABLES

from tests.support.authority import Authority
from tests.support.paths import CHECKOUT, COLLECTIONS
from tests.support.waiting import eventually
from tests.support.worker import ALIVE, READY, Worker

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY = Authority.new("program")
LEAST = {"SLIPWAY_NAMESPACES": "clusters"}


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """One that leads to where nobody is."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "x", "user": {"token": "x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    return tmp_path / "kubeconfig"


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    command = [sys.executable, "-m", "slipway_worker", *arguments]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(COLLECTIONS), **environ}
    return subprocess.run(command, cwd=CHECKOUT, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_help_says_what_it_is_and_lists_the_variables() -> None:
    process = run({}, "--help")
    assert process.returncode == 0
    assert "slipway.v1.Clusters" in process.stdout
    assert all(f"  {variable.name} " in process.stdout for variable in VARIABLES.values())


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        pytest.param({}, "SLIPWAY_NAMESPACES is not set; it is ", id="nothing is set"),
        pytest.param(
            {**LEAST, "SLIPWAY_TLS_DIR": "/nowhere"}, "The certificates in /nowhere cannot be used: ", id="certificates"
        ),
        pytest.param(
            {**LEAST, "SLIPWAY_TOKENS_FILE": "/nowhere"},
            "The tokens in /nowhere (SLIPWAY_TOKENS_FILE) cannot be used: ",
            id="tokens",
        ),
    ],
)
def test_it_says_in_a_line_why_it_cannot_begin(environ: dict[str, str], says: str) -> None:
    process = run(environ)
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith(f"slipway_worker: {says}")


@pytest.mark.parametrize("setting", ["LISTEN", "HEALTH_LISTEN", "METRICS_PORT"])
def test_a_port_that_is_taken_is_said(tmp_path: Path, kubeconfig: Path, setting: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = str(taken.getsockname()[1])
        value = port if setting == "METRICS_PORT" else f"127.0.0.1:{port}"
        environ = {
            **LEAST,
            "SLIPWAY_LISTEN": "127.0.0.1:0",
            "SLIPWAY_HEALTH_LISTEN": "127.0.0.1:0",
            "SLIPWAY_METRICS_PORT": "0",
            "SLIPWAY_TLS_DIR": str(AUTHORITY.server(tmp_path / "tls")),
            "KUBECONFIG": str(kubeconfig),
            f"SLIPWAY_{setting}": value,
        }
        process = run(environ)
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith("slipway_worker: Cannot listen on ")
    assert port in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_an_api_server_it_is_alive_not_ready_and_leaves_when_told(
    tmp_path: Path, kubeconfig: Path, number: signal.Signals
) -> None:
    worker = Worker(tmp_path / "home", kubeconfig, AUTHORITY.server(tmp_path / "tls"), ("clusters",))
    worker.start()
    try:
        assert worker.process
        eventually(lambda: worker.health(ALIVE) == "SERVING", within=30, what="the worker is alive", every=0.05)
        assert worker.health(READY) == worker.health("slipway.v1.Clusters") == "NOT_SERVING"
        worker.process.send_signal(number)
        assert worker.process.wait(timeout=20) == 0
    finally:
        worker.kill()
    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    assert [line["message"] for line in lines if line["logger"] == "slipway_worker.server"] == [
        "Serving",
        "Leaving",
        "Drained",
    ]
