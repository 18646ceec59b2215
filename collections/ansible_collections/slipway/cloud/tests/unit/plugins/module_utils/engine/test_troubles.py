# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what is wrong with pods, by the messages of real kubelets, schedulers and API servers."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Ask, Cause, Evidence, cause_from
from ansible_collections.slipway.cloud.plugins.module_utils.engine.troubles import (
    creation_trouble,
    creation_troubles,
    pod_troubles,
)

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

IMAGE = "registry.example:5000/not-found/demo:1"
RPC = f'rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": failed to resolve "{IMAGE}": '
EXEC = 'failed to create containerd task: runc create failed: exec: "/nope": stat /nope: no such file or directory'


def pod(state: Object, *, init: bool = False, **status: t.Any) -> Object:
    container = {"name": "main", "image": IMAGE, "resources": {"limits": {"memory": "16Mi"}}}
    return {
        "metadata": {"name": "a", "uid": "a", "namespace": "n"},
        "spec": {"nodeName": "node1", "initContainers" if init else "containers": [container]},
        "status": {
            "initContainerStatuses" if init else "containerStatuses": [
                {"name": "main", "ready": False, "state": state, **status}
            ]
        },
    }


def waiting(reason: str, message: str = "", **more: t.Any) -> Object:
    return pod({"waiting": {"reason": reason, "message": message}}, **more)


def ended(code: int, reason: str = "Error", message: str = "") -> Object:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def event(reason: str, message: str, *, uid: str = "a", at: str = "2026-01-01T00:00:05Z") -> Object:
    about = {"uid": uid, "fieldPath": "spec.containers{main}"}
    return {"reason": reason, "message": message, "involvedObject": about, "lastTimestamp": at}


def cause(obj: Object, **evidence: t.Any) -> Cause:
    found = cause_from(pod_troubles([obj], Evidence(**evidence)))
    assert found
    return found


@pytest.mark.parametrize(
    ("reason", "message", "code", "summary", "recoverable"),
    [
        ("InvalidImageName", "", "image_not_found", "is no image name", False),
        ("ErrImageNeverPull", "", "image_not_found", "must not be pulled", False),
        ("ErrImagePull", f"{RPC}{IMAGE}: not found", "image_not_found", "does not exist", False),
        ("ImagePullBackOff", f"Back-off: ErrImagePull: {RPC}{IMAGE}: not found", "image_not_found", "does not", False),
        ("ErrImagePull", f"{RPC}manifest unknown", "image_not_found", "does not exist", False),
        ("ErrImagePull", f"{RPC}pull access denied, repository does not exist", "image_pull_failed", "denied", False),
        ("ErrImagePull", f"{RPC}unexpected status: 401 Unauthorized", "image_pull_failed", "denied", False),
        ("ErrImagePull", f"{RPC}authorization failed: no basic auth credentials", "image_pull_failed", "denied", False),
        (
            "ErrImagePull",
            f"{RPC}dial tcp: lookup registry.example: no such host",
            "image_pull_failed",
            "resolver",
            True,
        ),
        (
            "ErrImagePull",
            f"{RPC}dial tcp: lookup r on 10.0.0.1:53: i/o timeout",
            "image_pull_failed",
            "resolver",
            True,
        ),
        ("ErrImagePull", f"{RPC}dial tcp 192.0.2.1:5000: i/o timeout", "image_pull_failed", "connection", True),
        (
            "ErrImagePull",
            f"{RPC}dial tcp 192.0.2.1:5000: connect: connection refused",
            "image_pull_failed",
            "connection",
            True,
        ),
        (
            "ErrImagePull",
            f"{RPC}tls: failed to verify certificate: x509: unknown authority",
            "image_pull_failed",
            "TLS",
            True,
        ),
        ("ErrImagePull", f"{RPC}http: server gave HTTP response to HTTPS client", "image_pull_failed", "TLS", True),
        ("ErrImagePull", f"{RPC}429 Too Many Requests", "image_pull_failed", "rate limit", True),
        ("ErrImagePull", f"{RPC}500 Internal Server Error", "image_pull_failed", "cannot be pulled", True),
        ("ErrImagePull", "pull QPS exceeded", "image_pull_failed", "cannot be pulled", True),
        (
            "CreateContainerConfigError",
            'configmap "conf" not found',
            "config_missing",
            "configmap conf does not",
            False,
        ),
        (
            "CreateContainerConfigError",
            'secret "pass" not found',
            "config_missing",
            "secret pass does not exist",
            False,
        ),
        (
            "CreateContainerConfigError",
            "couldn't find key port in ConfigMap n/conf",
            "config_missing",
            "ConfigMap conf has no key port",
            False,
        ),
        (
            "CreateContainerConfigError",
            "failed to sync configmap cache: timed out waiting for the condition",
            "config_pending",
            "failed to sync",
            True,
        ),
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root",
            "container_invalid",
            "runAsNonRoot",
            False,
        ),
        ("RunContainerError", EXEC, "container_failed", "its command does not run", False),
        ("CreateContainerError", "failed to reserve container name", "container_failed", "cannot be started", True),
    ],
)
@pytest.mark.parametrize("init", [False, True], ids=["container", "init container"])
def test_waiting_container(reason: str, message: str, code: str, summary: str, recoverable: bool, init: bool) -> None:
    found = cause(waiting(reason, message, init=init))
    assert (found.code, found.recoverable) == (code, recoverable)
    assert summary in found.summary
    assert found.evidence[0] == f"pod a on node node1, {'init container' if init else 'container'} main"


def test_older_kubelets_tell_by_an_event_alone_why_they_back_off() -> None:
    failed = event("Failed", f'Failed to pull image "{IMAGE}": {RPC}no such host')
    assert (
        "(resolver)" in cause(waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"'), events=[failed]).summary
    )


@pytest.mark.parametrize(
    ("last", "events", "code", "summary"),
    [
        (ended(3), [], "crash_loop", "container main ends again and again, with exit code 3"),
        (ended(0, "Completed"), [], "crash_loop", "with exit code 0"),
        (ended(137, "OOMKilled"), [], "out_of_memory", "container main needs more than its memory limit 16Mi"),
        (ended(128, "StartError", EXEC), [], "container_failed", "its command does not run"),
        (ended(137), [event("Unhealthy", "Liveness probe failed: 500")], "probe_failed", "because its probe fails"),
        (ended(137), [event("Unhealthy", "Liveness probe failed: 500", uid="other")], "crash_loop", "137"),
    ],
)
def test_crash(last: Object, events: list[Object], code: str, summary: str) -> None:
    obj = waiting("CrashLoopBackOff", lastState=last, restartCount=2)
    found = cause(obj, events=events)
    assert found.code == code
    assert summary in found.summary


def patience(obj: Object, **evidence: t.Any) -> float | None:
    [trouble] = [each for each in pod_troubles([obj], Evidence(**evidence)) if each.rule.code]
    return trouble.rule.patience


@pytest.mark.parametrize(("restarts", "before", "fatal"), [(2, 0, None), (3, 0, 0.0), (13, 11, None), (14, 11, 0.0)])
def test_crashes_count_from_the_beginning_of_the_wait(restarts: int, before: int, fatal: float | None) -> None:
    obj = waiting("CrashLoopBackOff", lastState=ended(3), restartCount=restarts)
    assert patience(obj, restarts={("a", "main"): before}) == fatal


@pytest.mark.parametrize(
    ("obj", "troubled"),
    [
        (pod({"running": {}}, restartCount=3, lastState=ended(3)), True),
        (pod({"running": {}}, restartCount=3, lastState=ended(3), ready=True), False),
        (pod(ended(0, "Completed"), restartCount=0, init=True), False),
        (pod(ended(1), restartCount=0, init=True), True),
        (pod({"running": {}}, ready=True), False),
        (waiting("ContainerCreating"), False),
        ({"metadata": {"name": "new"}}, False),
    ],
)
def test_container_is_in_trouble_until_it_is_well_again(obj: Object, troubled: bool) -> None:
    assert (cause_from(pod_troubles([obj], Evidence())) is not None) is troubled


def test_log_is_asked_for_and_shown() -> None:
    obj = waiting("CrashLoopBackOff", lastState=ended(3), restartCount=2)
    [trouble] = pod_troubles([obj], Evidence())
    assert trouble.log == Ask("log", "n", "a", "main", 2)
    found = cause(obj, logs={trouble.log: ("starting", "no database")})
    assert found.evidence == (
        "pod a on node node1, container main",
        "ended with exit code 3 (Error), started again 2 times",
        "log: starting",
        "log: no database",
    )


@pytest.mark.parametrize(
    ("events", "code", "summary"),
    [
        (
            [event("FailedMount", 'MountVolume.SetUp failed for volume "v" : configmap "conf" not found')],
            "config_missing",
            "configmap conf",
        ),
        (
            [event("FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "pass" not found')],
            "config_missing",
            "secret pass",
        ),
        ([event("FailedMount", "references non-existent config key: port")], "config_missing", "no key port"),
        ([event("FailedMount", "failed to sync configmap cache: timed out")], "config_pending", "failed to sync"),
        ([event("FailedMount", "driver name x.csi not found")], "volume_pending", "cannot be mounted"),
        ([event("FailedAttachVolume", "Multi-Attach error")], "volume_pending", "cannot be attached"),
        ([event("FailedCreatePodSandBox", "no network")], "sandbox_failed", "sandbox"),
        ([event("BackOff", "x"), event("FailedMount", 'secret "s" not found', uid="other")], None, ""),
    ],
)
def test_pod_that_does_not_start(events: list[Object], code: str | None, summary: str) -> None:
    found = cause_from(pod_troubles([waiting("ContainerCreating")], Evidence(events=events)))
    assert (found and found.code) == code
    assert summary in (found.summary if found else "")


def test_failing_probe_has_time() -> None:
    failing = event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500")
    obj = pod({"running": {}})
    found = cause(obj, events=[failing])
    assert (found.code, patience(obj, events=[failing])) == ("probe_failed", 60)
    assert found.evidence[-1] == "event Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 500"


def test_node_that_is_not_ready_is_named() -> None:
    ready = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped"}
    nodes = [{"metadata": {"name": "node1"}, "status": {"conditions": [ready]}}]
    found = cause(waiting("ContainerCreating"), nodes=nodes)
    assert (found.code, found.summary) == ("node_not_ready", "node node1 is not ready")


@pytest.mark.parametrize(
    ("obj", "asks"),
    [
        (waiting("ContainerCreating"), {Ask("events", "n"), Ask("nodes")}),
        (pod({"running": {}}), {Ask("events", "n"), Ask("nodes")}),
        (pod({"running": {}}, ready=True), set()),
    ],
)
def test_what_does_not_move_is_looked_into(obj: Object, asks: set[Ask]) -> None:
    assert {ask for trouble in pod_troubles([obj], Evidence()) for ask in trouble.asks} == asks


def unscheduled(message: str = "0/1 nodes are available", **spec: t.Any) -> Object:
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"metadata": {"name": "a", "uid": "a"}, "spec": spec, "status": {"conditions": [said]}}


def node(name: str, **labels: str) -> Object:
    room = {"cpu": "1", "memory": "1Gi", "pods": "10"}
    return {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": {"allocatable": room}}


NODES = [node("node1", disk="hdd"), node("node2", disk="ssd")]
BIG: Object = {"containers": [{"name": "main", "resources": {"requests": {"memory": "64Gi"}}}]}


@pytest.mark.parametrize(
    ("obj", "nodes", "code", "summary"),
    [
        (unscheduled(nodeSelector={"a": "b"}), NODES, "node_label_missing", "none of 2 nodes has the label a=b"),
        (unscheduled(nodeSelector={"a": "b"}), [], "unschedulable", "no node takes its pods"),
        (unscheduled(nodeSelector={"disk": "ssd"}), NODES, "unschedulable", "no node takes its pods"),
        (unscheduled(**BIG), NODES, "unschedulable", "no node takes its pods"),
        (unscheduled('persistentvolumeclaim "data" not found'), NODES, "volume_pending", "PersistentVolumeClaim data"),
        (unscheduled("node(s) had volume node affinity conflict"), NODES, "volume_pending", "a volume"),
    ],
)
def test_pod_that_fits_nowhere(obj: Object, nodes: list[Object], code: str, summary: str) -> None:
    found = cause(obj, nodes=nodes)
    assert (found.code, found.summary.startswith(summary)) == (code, True), found


def test_what_the_nodes_lack_is_told() -> None:
    found = cause(unscheduled(**BIG), nodes=NODES)
    assert found.evidence[2] == "nodes node1, node2: lacks memory: 64.0Gi wanted, 1.0Gi in all"


def test_claim_of_a_pod_tells_why() -> None:
    obj = unscheduled(
        "unbound immediate PersistentVolumeClaims", volumes=[{"persistentVolumeClaim": {"claimName": "c"}}]
    )
    said = event("ProvisioningFailed", 'storageclass "fast" not found', uid="claim")
    said["involvedObject"] |= {"kind": "PersistentVolumeClaim", "name": "c"}
    assert cause(obj, events=[said]).evidence[-1] == 'claim c: storageclass "fast" not found'


SERVICE_ACCOUNT = 'pods "a" is forbidden: error looking up service account n/robot: serviceaccount "robot" not found'


@pytest.mark.parametrize(
    ("message", "code", "summary", "patience"),
    [
        ('pods "a" is forbidden: exceeded quota: small, requested: pods=1', "quota_exceeded", "ResourceQuota small", 5),
        (SERVICE_ACCOUNT, "service_account_missing", "service account robot does not exist", 10),
        ('pods "a" is forbidden: violates PodSecurity "restricted:latest"', "admission_denied", "admission", 3),
        ('admission webhook "w" denied the request: no', "admission_denied", "admission", 3),
        ('Internal error: failed calling webhook "w": refused', "webhook_unavailable", "webhook", 60),
        ('Pod "a" is invalid: spec.x: Invalid value', "pod_invalid", "invalid", 3),
        ("namespace n because it is being terminated", "namespace_terminating", "being deleted", 3),
        ("etcd is tired", "pods_not_created", "cannot be created", 60),
    ],
)
def test_pods_that_cannot_be_created(message: str, code: str, summary: str, patience: float) -> None:
    trouble = creation_trouble({"metadata": {"namespace": "n"}}, message, Evidence())
    assert (trouble.rule.code, trouble.rule.patience) == (code, patience)
    assert summary in trouble.what
    assert trouble.lines == (f"FailedCreate: {message}",)


@pytest.mark.parametrize(
    ("created", "codes"),
    [(None, ["quota_exceeded"]), ("2026-01-01T00:00:04Z", ["quota_exceeded"]), ("2026-01-01T00:00:05Z", [])],
)
def test_failure_that_a_pod_came_after_is_past(created: str | None, codes: list[str]) -> None:
    owner = {"metadata": {"name": "demo", "uid": "d"}}
    failed = event("FailedCreate", "exceeded quota: small, used", uid="d")
    pods = [{"metadata": {"name": "a", "creationTimestamp": created}}] if created else []
    assert [each.rule.code for each in creation_troubles(owner, pods, Evidence(events=[failed]))] == codes


CONF, ROBOT = Ask("configmap", "n", "conf"), Ask("serviceaccount", "n", "robot")


@pytest.mark.parametrize(
    ("exists", "code", "recoverable"),
    [({}, "config_missing", False), ({CONF: False}, "config_missing", False), ({CONF: True}, "config_pending", True)],
)
def test_what_is_missing_is_looked_for(exists: dict[Ask, bool], code: str, recoverable: bool) -> None:
    obj = waiting("CreateContainerConfigError", 'configmap "conf" not found')
    [trouble] = pod_troubles([obj], Evidence(exists=exists))
    assert CONF in trouble.asks
    assert (trouble.rule.code, trouble.rule.recoverable) == (code, recoverable)
    assert trouble.after == (trouble.rule.patience or 0)


@pytest.mark.parametrize(("exists", "patience"), [({}, 10), ({ROBOT: False}, 10), ({ROBOT: True}, None)])
def test_service_account_that_came_meanwhile(exists: dict[Ask, bool], patience: float | None) -> None:
    trouble = creation_trouble({"metadata": {"namespace": "n"}}, SERVICE_ACCOUNT, Evidence(exists=exists))
    assert (trouble.asks, trouble.rule.patience) == ((ROBOT,), patience)
