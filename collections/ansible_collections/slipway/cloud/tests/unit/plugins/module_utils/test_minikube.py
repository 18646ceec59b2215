# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what minikube is told, and of what its answers mean."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import replace

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._minikube import (
    Machine,
    MinikubeError,
    Record,
    Settings,
    Status,
    failure,
    not_ready,
    parse_addons,
    parse_status,
    problems,
    start_flags,
)

SERVER = Settings(driver="none", kubernetes_version="1.36.3")
DESKTOP = Settings(driver="docker", kubernetes_version="1.36.3")
ALWAYS = ["--install-addons=false", "--embed-certs", "--delete-on-failure=false", "--interactive=false", "--wait=all"]
RUNTIME = ["--container-runtime=containerd", "--kubernetes-version=v1.36.3"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SERVER, ["--driver=none", *RUNTIME, "--cni=bridge", "--preload=false", *ALWAYS]),
        (DESKTOP, ["--driver=docker", *RUNTIME, *ALWAYS]),
        (
            replace(SERVER, force=True),
            ["--driver=none", *RUNTIME, "--cni=bridge", "--preload=false", "--force", *ALWAYS],
        ),
        (
            replace(DESKTOP, single_cpu=True),
            [
                "--driver=docker",
                *RUNTIME,
                "--cpus=1",
                "--force",
                *ALWAYS,
                "--extra-config=kubeadm.ignore-preflight-errors=NumCPU",
            ],
        ),
        (
            replace(
                DESKTOP,
                cni="calico",
                image_repository="registry.example",
                kubelet_config_dir="/etc/kubelet.d",
                ignore_preflight_errors=("SystemVerification",),
                single_cpu=True,
                extra_config=("apiserver.v=4",),
                flags=("--memory=4g",),
            ),
            [
                "--driver=docker",
                *RUNTIME,
                "--cni=calico",
                "--image-repository=registry.example",
                "--cpus=1",
                "--force",
                *ALWAYS,
                "--extra-config=kubeadm.ignore-preflight-errors=SystemVerification,NumCPU",
                "--extra-config=kubelet.config-dir=/etc/kubelet.d",
                "--extra-config=apiserver.v=4",
                "--memory=4g",
            ],
        ),
    ],
    ids=["server", "desktop", "force", "one processor", "everything"],
)
def test_start_flags(settings: Settings, expected: list[str]) -> None:
    assert start_flags(settings) == expected


ROOT = Machine(cpus=2, root=True)
USER = Machine(cpus=2, root=False)


@pytest.mark.parametrize(
    ("settings", "machine", "expected"),
    [
        (SERVER, ROOT, []),
        (DESKTOP, USER, []),
        (SERVER, replace(ROOT, cpus=1), ["one processor, .* set minikube_single_cpu to true"]),
        (replace(SERVER, single_cpu=True), replace(ROOT, cpus=1), []),
        (DESKTOP, ROOT, ["docker refuses root. Name another user in minikube_user"]),
        (SERVER, USER, ["none needs root: become root"]),
        (SERVER, replace(ROOT, port_taken=True), ["Port 8443 is in use"]),
        (DESKTOP, replace(USER, port_taken=True), []),
        (
            replace(SERVER, addons=("ingress", "ingres")),
            ROOT,
            [r"no add-on ingres \(minikube_addons\); it has: ingress, "],
        ),
        (SERVER, Machine(cpus=1, root=False, port_taken=True), ["one processor", "needs root", "Port 8443"]),
    ],
)
def test_problems(settings: Settings, machine: Machine, expected: list[str]) -> None:
    found = problems(settings, machine, ["ingress", "storage-provisioner"])
    assert len(found) == len(expected)
    for problem, pattern in zip(found, expected, strict=True):
        assert re.search(pattern, problem), problem


@pytest.mark.parametrize(
    ("code", "output", "expected"),
    [
        (85, '{"type":"io.k8s.sigs.minikube.step","data":{"message":"Profile not found"}}', Status(exists=False)),
        (7, '{"Name":"minikube","Host":"Nonexistent","Kubelet":"Nonexistent"}', Status(exists=False)),
        (0, '{"Name":"minikube","Host":"Running","Kubelet":"Running"}', Status(exists=True, running=True)),
        (2, '{"Name":"minikube","Host":"Running","Kubelet":"Stopped"}', Status(exists=True)),
        (2, '{"Name":"minikube","Host":"Running","Kubelet":"Running"}', Status(exists=True, starting=True)),
        (2, '[{"Host":"Running","Kubelet":"Running"},{"Host":"Running","Kubelet":"Stopped"}]', Status(exists=True)),
    ],
)
def test_status(code: int, output: str, expected: Status) -> None:
    assert parse_status(code, output) == expected


def test_status_that_cannot_be_read() -> None:
    with pytest.raises(MinikubeError, match="minikube status ended with 1 and said nothing that can be read: oops"):
        parse_status(1, "oops")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ('{"ingress":{},"registry":{}}', {"ingress": False, "registry": False}),
        (
            '{"ingress":{"Profile":"minikube","Status":"enabled"},"registry":{"Status":"disabled"}}',
            {"ingress": True, "registry": False},
        ),
    ],
    ids=["without a profile", "with one"],
)
def test_addons(output: str, expected: dict[str, bool]) -> None:
    assert parse_addons(output) == expected


def event(kind: str, **data: str) -> str:
    return json.dumps({"specversion": "1.0", "type": f"io.k8s.sigs.minikube.{kind}", "data": data}) + "\n"


CORES = event(
    "error", name="RSRC_INSUFFICIENT_CORES", message="Requested cpu count 2 is greater", advice="", exitcode="29"
)
KUBEADM = "wait: exit status 1\n[init] Using\n\t[ERROR Port-8443]: Port 8443 is in use\n[preflight] If you know\n"


@pytest.mark.parametrize(
    ("stdout", "stderr", "expected"),
    [
        (
            event("step", message="x") + CORES,
            "",
            r"minikube start failed \(RSRC_INSUFFICIENT_CORES\): Requested .* minikube_single_cpu to true",
        ),
        (event("error", name="X", message="bad", advice="Do this."), "", r"minikube start failed \(X\): bad Do this\."),
        (event("error", name="X", message=KUBEADM), "", r"failed \(X\): \[ERROR Port-8443\]: Port 8443 is in use$"),
        (event("error", name="X", message="why") + event("error", message="later"), "", r"\(X\): why"),
        (event("error", message="no name"), "", r"minikube start failed \(80\): no name"),
        (event("step", message="x"), "panic: y\n", "minikube start ended with 80: panic: y"),
        ("not JSON", "", "minikube start ended with 80: not JSON"),
    ],
)
def test_failure(stdout: str, stderr: str, expected: str) -> None:
    assert re.search(expected, failure("start", code=80, stdout=stdout, stderr=stderr))


Thing = dict[str, t.Any]


def node(*, ready: str = "True") -> Thing:
    condition = {"type": "Ready", "status": ready, "reason": "KubeletNotReady", "message": "cni plugin not initialized"}
    return {"kind": "Node", "metadata": {"name": "vm"}, "status": {"conditions": [condition]}}


def pod(name: str, *, ready: bool = True, phase: str = "Running", state: Thing | None = None) -> Thing:
    status: Thing = {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]}
    return {
        "kind": "Pod",
        "metadata": {"name": name},
        "status": status | {"containerStatuses": [{"state": state or {}}]},
    }


STORAGE = ["default-storageclass", "storage-provisioner"]
CLASS: Thing = {"kind": "StorageClass", "metadata": {"name": "standard"}}
COREDNS = pod("coredns-1")
PULL = {"waiting": {"reason": "ErrImagePull", "message": "no such host"}}


@pytest.mark.parametrize(
    ("objects", "addons", "expected"),
    [
        ([node(), COREDNS], [], []),
        ([node(), COREDNS, pod("storage-provisioner"), CLASS], STORAGE, []),
        ([node(), COREDNS, pod("job", ready=False, phase="Succeeded")], [], []),
        ([], [], ["there is no node", "there is no pod of CoreDNS"]),
        ([node(), COREDNS], STORAGE, ["there is no pod storage-provisioner", "there is no storage class"]),
        ([node(ready="False"), COREDNS], [], ["node vm (KubeletNotReady: cni plugin not initialized)"]),
        ([node(), pod("coredns-1", ready=False)], [], ["pod coredns-1 (Running)"]),
        ([node(), COREDNS, pod("x", ready=False, state=PULL)], [], ["pod x (ErrImagePull: no such host)"]),
        (
            [node(), COREDNS, pod("x", ready=False, phase="Failed", state={"terminated": {"reason": "Error"}})],
            [],
            ["pod x (Error)"],
        ),
    ],
)
def test_not_ready(objects: list[Thing], addons: list[str], expected: list[str]) -> None:
    assert not_ready(objects, addons) == expected


@pytest.mark.parametrize("record", [Record(), Record(["--force"]), Record(["--force"], proven=True)])
def test_record_is_read_as_it_was_written(record: Record) -> None:
    assert Record.from_json(record.to_json()) == record


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unknown": 1}'])
def test_record_that_cannot_be_read(text: str) -> None:
    assert Record.from_json(text) == Record()
