# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the causes that the streams show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import cause_of

if TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object

QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: small"}


def pod(name: str, reason: str = "", message: str = "", *, unschedulable: str = "", init: bool = False) -> Object:
    state = {"waiting": {"reason": reason, "message": message}} if reason else {"running": {}}
    status: Object = {"initContainerStatuses" if init else "containerStatuses": [{"state": state}]}
    if unschedulable:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": unschedulable}
        status["conditions"] = [condition]
    return {"metadata": {"name": name}, "status": status}


PULL = pod("a", "ImagePullBackOff", "Back-off pulling image x")
NEVER = pod("b", "ErrImageNeverPull", "not present")


@pytest.mark.parametrize(
    ("conditions", "pods", "code", "summary", "recoverable"),
    [
        ([QUOTA], [PULL], "pods_not_created", "FailedCreate; exceeded quota: small", True),
        ([], [PULL], "image_pull_failed", "ImagePullBackOff in 1 pod; pod a: ImagePullBackOff: Back-off", True),
        ([], [PULL, PULL, NEVER], "image_not_found", "ErrImageNeverPull in 1 pod; pod b", False),
        ([], [pod("a", "CrashLoopBackOff"), PULL, PULL], "image_pull_failed", "ImagePullBackOff in 2 pods", True),
        ([], [pod("a", "CreateContainerConfigError", "no secret", init=True)], "config_missing", "no secret", True),
        ([], [pod("a", unschedulable="0/3 nodes are available")], "unschedulable", "0/3 nodes", True),
    ],
)
def test_cause(conditions: list[Object], pods: list[Object], code: str, summary: str, recoverable: bool) -> None:
    cause = cause_of({"status": {"conditions": conditions}}, pods)
    assert cause is not None
    assert (cause.code, cause.recoverable) == (code, recoverable)
    assert summary in cause.summary


@pytest.mark.parametrize("pods", [[], [pod("a")], [pod("a", "ContainerCreating")], [{"metadata": {"name": "new"}}]])
def test_no_cause(pods: list[Object]) -> None:
    assert cause_of({}, pods) is None


def test_cause_as_data() -> None:
    cause = cause_of({}, [NEVER])
    assert cause is not None
    assert cause.as_dict() == {
        "code": "image_not_found",
        "summary": "ErrImageNeverPull in 1 pod; pod b: ErrImageNeverPull: not present",
        "evidence": ["pod b: ErrImageNeverPull: not present"],
        "recoverable": False,
        "hint": "Import the image on the nodes, or let them pull it: image_pull_policy.",
    }
