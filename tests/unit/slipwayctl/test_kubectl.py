"""What is read by kubectl, and a port-forward that ends with its user."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from slipwayctl.errors import LookUpError, NoWorkerError, SetupError, SlipwayctlError
from slipwayctl.kubectl import (
    Certificates,
    Kubectl,
    Worker,
    certificates_of,
    find_kubectl,
    kubectl_error,
    ready_workers,
)

GRPC = [{"name": "metrics", "port": 9090}, {"name": "grpc", "port": 50051}]


def endpoint(pod: str, kind: str = "Pod", **conditions: bool) -> dict[str, Any]:
    return {"conditions": conditions, "targetRef": {"kind": kind, "name": pod}}


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ({}, []),
        ({"items": None}, []),
        ({"items": [{"ports": None, "endpoints": None}]}, []),
        (
            {
                "items": [
                    {"ports": GRPC, "endpoints": [endpoint("b", ready=True), endpoint("c", ready=False)]},
                    {"ports": GRPC, "endpoints": [endpoint("a"), endpoint("d", ready=True, terminating=True)]},
                ]
            },
            [Worker("a", 50051), Worker("b", 50051)],
        ),
        ({"items": [{"ports": [{"name": "metrics", "port": 1}], "endpoints": [endpoint("a", ready=True)]}]}, []),
        ({"items": [{"ports": GRPC, "endpoints": [endpoint("a", kind="Node"), {"conditions": {}}]}]}, []),
    ],
    ids=["nothing", "null", "no ports", "ready ones of all slices", "another port", "no pods"],
)
def test_ready_workers(slices: dict[str, Any], expected: list[Worker]) -> None:
    assert ready_workers(slices) == expected


def secret(**data: str) -> dict[str, Any]:
    return {"data": {key.replace("_", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()}}


def test_certificates() -> None:
    found = certificates_of(secret(ca_crt="ca", tls_crt="leaf", tls_key="key"))
    assert found == Certificates(b"ca", b"leaf", b"key")


@pytest.mark.parametrize("broken", [{}, secret(ca_crt="ca"), {"data": {"ca.crt": "%", "tls.crt": "", "tls.key": ""}}])
def test_no_certificates(broken: dict[str, Any]) -> None:
    with pytest.raises(SetupError, match="no usable certificate"):
        certificates_of(broken)


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (
            'Error from server (NotFound): secrets "worker-client" not found',
            SetupError,
            "namespace slipway has no Secret",
        ),
        ('Error from server (Forbidden): secrets "x" is forbidden: User "u"', SetupError, "may not use the worker"),
        ('error: context "x" does not exist', SetupError, 'context "x" does not exist'),
        ("error: You must be logged in to the server (Unauthorized)", SetupError, "does not accept this kubeconfig"),
        ("The connection to the server 1.2.3.4:6443 was refused", LookUpError, "1.2.3.4:6443 was refused"),
        ("", LookUpError, "said nothing"),
    ],
)
def test_errors(said: str, kind: type[SlipwayctlError], message: str) -> None:
    error = kubectl_error(f"warning: x\n{said}\n" if said else "", "slipway")
    assert type(error) is kind
    assert message in str(error)
    assert error.remedy


def test_kubeconfig_must_exist(tmp_path: Path) -> None:
    found = tmp_path / "config"
    ways: list[tuple[str, dict[str, str]]] = [
        (str(found), {}),
        ("", {"KUBECONFIG": f"/nowhere:{found}"}),
        ("", {"K8S_AUTH_KUBECONFIG": str(found)}),
    ]
    for named, environ in ways:
        found.unlink(missing_ok=True)
        with pytest.raises(SetupError, match="no kubeconfig"):
            find_kubectl("slipway", kubeconfig=named, context="", environ=environ)
        found.touch()
        assert find_kubectl("slipway", kubeconfig=named, context="", environ=environ).namespace == "slipway"


def test_options_are_passed_on(tmp_path: Path) -> None:
    (tmp_path / "config").touch()
    kubectl = find_kubectl("x", kubeconfig=str(tmp_path / "config"), context="there", environ={})
    assert kubectl.options == (f"--kubeconfig={tmp_path}/config", "--context=there")


def program(home: Path, script: str) -> Kubectl:
    """A program in place of kubectl."""
    path = home / "kubectl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Kubectl(program=str(path), options=(), namespace="slipway")


def test_forward_ends_with_its_user(tmp_path: Path) -> None:
    script = "echo $$ >$0.pid; echo \"$@\" >$0.args; echo 'Forwarding from 127.0.0.1:4711 -> 50051'; exec cat /dev/zero"
    kubectl = program(tmp_path, script)

    async def use() -> int:
        forward = await kubectl.forward(Worker("worker-1", 50051))
        await asyncio.sleep(0)
        await forward.close()
        return forward.port

    assert asyncio.run(use()) == 4711
    assert (tmp_path / "kubectl.args").read_text() == (
        "--namespace=slipway port-forward pod/worker-1 :50051 --address=127.0.0.1\n"
    )
    assert not Path(f"/proc/{(tmp_path / 'kubectl.pid').read_text().strip()}").exists()


def test_forward_that_fails(tmp_path: Path) -> None:
    kubectl = program(tmp_path, "echo 'error: pod not found' >&2; exit 1")
    with pytest.raises(NoWorkerError, match="No port-forward to pod worker-1: error: pod not found"):
        asyncio.run(kubectl.forward(Worker("worker-1", 50051)))


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        ("echo '{\"items\": []}'", SetupError, "no Service worker"),
        ("echo 'Error from server (Forbidden): no' >&2; exit 1", SetupError, "may not use"),
        ("echo 'was refused' >&2; exit 1", LookUpError, "was refused"),
    ],
)
def test_workers_cannot_be_read(tmp_path: Path, script: str, kind: type[SlipwayctlError], message: str) -> None:
    with pytest.raises(kind, match=message):
        asyncio.run(program(tmp_path, script).workers())
