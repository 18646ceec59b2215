# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an object is not ready, from what the streams show. Pure: no request is made here."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

if t.TYPE_CHECKING:
    from .resources import Object


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is not as it should be.

    ``code`` is stable, lower snake case. ``evidence`` are lines as the server wrote them. ``recoverable`` tells whether
    it can still come right without a change by the user.
    """

    code: str
    summary: str
    evidence: tuple[str, ...] = ()
    recoverable: bool = True
    hint: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """Return the cause as plain data, for results and logs."""
        return {**asdict(self), "evidence": list(self.evidence)}


class _Rule(t.NamedTuple):
    code: str
    recoverable: bool
    hint: str


_NO_IMAGE = "Import the image on the nodes, or let them pull it: image_pull_policy."
_PULL = "Check the image's name and tag, the registry and its credentials."

# Reasons of containers that wait, https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/images/types.go
# and kuberuntime. The kubelet repeats what is recoverable; the others stay until the pod is changed.
_WAITING = {
    "InvalidImageName": _Rule("image_not_found", False, "Write the image as registry/name:tag."),
    "ErrImageNeverPull": _Rule("image_not_found", False, _NO_IMAGE),
    "ErrImagePull": _Rule("image_pull_failed", True, _PULL),
    "ImagePullBackOff": _Rule("image_pull_failed", True, _PULL),
    "CreateContainerConfigError": _Rule("config_missing", True, "Create the config map or secret that the pod names."),
    "CreateContainerError": _Rule("container_failed", True, "Check command, args and mounts."),
    "RunContainerError": _Rule("container_failed", True, "Check command and args."),
    "CrashLoopBackOff": _Rule("crash_loop", True, "Read the container's log: kubectl logs --previous."),
}
_UNSCHEDULABLE = _Rule("unschedulable", True, "Compare node_selector and resources with kubectl describe nodes.")
_NOT_CREATED = _Rule("pods_not_created", True, "Fix what the message names: quota, admission rule or service account.")


def condition(obj: Object, kind: str) -> Object:
    """Return the condition of that type, or an empty one."""
    conditions = obj.get("status", {}).get("conditions") or []
    return next((entry for entry in conditions if entry["type"] == kind), {})


def cause_of(obj: Object, pods: t.Iterable[Object]) -> Cause | None:
    """Return what holds a Deployment up: its own report first, else its pods' gravest trouble."""
    failure = condition(obj, "ReplicaFailure")
    if failure.get("status") == "True":
        return _cause(_NOT_CREATED, str(failure.get("reason")), [str(failure.get("message", ""))])
    troubles: dict[tuple[_Rule, str], list[str]] = {}
    for pod in pods:
        for rule, reason, message in _troubles(pod):
            line = f"pod {pod['metadata']['name']}: {reason}: {message}".rstrip(": ")
            troubles.setdefault((rule, reason), []).append(line)
    if not troubles:
        return None
    (rule, reason), lines = min(troubles.items(), key=lambda entry: (entry[0][0].recoverable, -len(entry[1])))
    return _cause(rule, f"{reason} in {len(lines)} pod{'s'[: len(lines) > 1]}", lines)


def _cause(rule: _Rule, what: str, lines: list[str]) -> Cause:
    return Cause(rule.code, f"{what}; {lines[0]}", tuple(lines[:3]), rule.recoverable, rule.hint)


def _troubles(pod: Object) -> t.Iterator[tuple[_Rule, str, str]]:
    status = pod.get("status", {})
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = container.get("state", {}).get("waiting") or {}
        rule = _WAITING.get(waiting.get("reason", ""))
        if rule:
            yield rule, waiting["reason"], str(waiting.get("message", ""))
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("reason") == "Unschedulable":
        yield _UNSCHEDULABLE, "Unschedulable", str(scheduled.get("message", ""))
