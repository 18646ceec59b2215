# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts: is an object ready, or really gone? Pure: a view of the cache in, a verdict out.

The rule for Deployments is that of C(kubectl rollout status), made stricter: same uid, our generation observed, all
replicas updated, no old ones left, all available.
"""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field, replace

from .diagnosis import Cause, cause_of, condition
from .resources import Object, Resource, controller_uid

_REVISION = "deployment.kubernetes.io/revision"


class State(enum.Enum):
    """What a wait has come to."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Target:
    """The object that somebody waits for, as our own write left it.

    ``revision`` is the resourceVersion of that write as a number, 0 if unknown.
    """

    resource: Resource
    namespace: str
    name: str
    uid: str = ""
    generation: int = 0
    revision: int = 0

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.name} in namespace {self.namespace}"


@dataclass(frozen=True, slots=True)
class View:
    """What the cache shows of a target: what has its name now, and everything that its uid controls.

    ``settled`` is true when the stream has passed the target's revision: what it does not show then, does not exist.
    """

    target: Target
    obj: Object | None
    settled: bool
    descendants: t.Sequence[Object] = ()

    @property
    def present(self) -> bool:
        """Whether the very object that we wrote is there."""
        return self.obj is not None and self.obj["metadata"]["uid"] == self.target.uid

    def of_kind(self, kind: str) -> list[Object]:
        """Return the descendants of a kind."""
        return [each for each in self.descendants if each.get("kind") == kind]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on a view: the stages it has ``reached`` and what it looks like now, in one line."""

    state: State
    summary: str
    reached: tuple[str, ...] = ()
    cause: Cause | None = None
    counts: dict[str, int] = field(default_factory=dict)


Judge = t.Callable[[View], Verdict]


def _deleted(view: View) -> Verdict | None:
    """Return the verdict on a target that somebody else deletes, has deleted, or has made anew; None if it is there."""
    if view.present and view.obj:
        if not view.obj["metadata"].get("deletionTimestamp"):
            return None
        how = "is being deleted"
    elif view.obj is not None and view.settled:
        how = "was deleted and made anew"
    elif view.settled:
        how = "was deleted"
    else:
        return Verdict(State.PENDING, "not seen yet")
    cause = Cause("deleted_by_other", f"{view.target} {how} by somebody else", recoverable=False)
    return Verdict(State.FAILED, cause.summary, cause=cause)


def current_pods(view: View) -> list[Object]:
    """Return the pods of a Deployment's newest ReplicaSet that are not being deleted."""
    revision = (view.obj or {"metadata": {}})["metadata"].get("annotations", {}).get(_REVISION)
    newest = {
        each["metadata"]["uid"]
        for each in view.of_kind("ReplicaSet")
        if each["metadata"].get("annotations", {}).get(_REVISION) == revision
    }
    pods = view.of_kind("Pod")
    return [pod for pod in pods if controller_uid(pod) in newest and not pod["metadata"].get("deletionTimestamp")]


def _started(pod: Object) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return bool(statuses) and all("running" in each.get("state", {}) for each in statuses)


def deployment_ready(view: View) -> Verdict:
    """Judge a Deployment; stages ``scheduled``, ``started``, ``available``."""
    deleted = _deleted(view)
    if deleted or view.obj is None:
        return deleted or Verdict(State.PENDING, "not seen yet")
    spec, status = view.obj["spec"], view.obj.get("status", {})
    wanted = int(spec.get("replicas", 1))
    observed = int(status.get("observedGeneration", 0)) >= view.target.generation
    updated, total, available = (int(status.get(f"{key}eplicas", 0)) for key in ("updatedR", "r", "availableR"))
    pods = current_pods(view)
    scheduled = sum(condition(pod, "PodScheduled").get("status") == "True" for pod in pods)
    started = sum(map(_started, pods))
    counts = {"wanted": wanted, "scheduled": scheduled, "started": started, "available": available}
    if observed and updated == wanted == total and available >= wanted:
        summary = f"{available} of {wanted} replicas available"
        return Verdict(State.DONE, summary, ("scheduled", "started", "available"), counts=counts)
    if observed and spec.get("paused"):
        hint = "Resume it: kubectl rollout resume."
        cause = Cause("paused", f"{view.target} is paused, so it is not rolled out", recoverable=False, hint=hint)
        return Verdict(State.FAILED, cause.summary, cause=cause, counts=counts)
    reached = tuple(
        stage for stage, count in (("scheduled", scheduled), ("started", started)) if observed and count >= wanted
    )
    summary = _progress(wanted=wanted, updated=updated, total=total, available=available, observed=observed)
    return Verdict(State.PENDING, summary, reached, cause_of(view.obj, pods), counts)


def _progress(*, wanted: int, updated: int, total: int, available: int, observed: bool) -> str:
    if not observed:
        return "the controller has not seen the change yet: is kube-controller-manager running?"
    parts = [f"{min(available, wanted)} of {wanted} replicas available"]
    if updated < wanted:
        parts.append(f"{updated} updated")
    if total > updated:
        parts.append(f"{total - updated} old ones left")
    return ", ".join(parts)


def gone(view: View) -> Verdict:
    """Judge any object that is to go, with all its pods; stages ``object_gone``, ``pods_gone``."""
    pods = view.of_kind("Pod")
    there = view.present or not view.settled
    reached = tuple(stage for stage, left in (("object_gone", there), ("pods_gone", pods)) if not left)
    counts = {"pods": len(pods)}
    if len(reached) == 2:
        return Verdict(State.DONE, "gone", reached, counts=counts)
    holders = ([view.obj] if view.present and view.obj else []) + pods
    summary = f"still there: {'; '.join(_holder(each) for each in holders[:3])}"
    return Verdict(State.PENDING, summary, reached, _deletion_cause(pods), counts)


def _deletion_cause(pods: list[Object]) -> Cause:
    """Return what a deletion waits for: its pods, else a finalizer of its own."""
    if any(not pod["metadata"].get("finalizers") for pod in pods):
        hint = "Is the kubelet of its node running? The grace period of the pod may be long."
        return Cause("pod_stuck_terminating", "", hint=hint)
    hint = "Whoever set the finalizer has to remove it: is that controller running?"
    return Cause("finalizer", "", hint=hint)


def _holder(obj: Object) -> str:
    """Return what keeps an object, in a few words."""
    meta = obj["metadata"]
    node = obj.get("spec", {}).get("nodeName")
    notes = [f"finalizers {', '.join(meta['finalizers'])}"] if meta.get("finalizers") else []
    notes += [f"on node {node}"] if node else []
    return f"{obj.get('kind', '').lower()} {meta['name']}" + (f" ({'; '.join(notes)})" if notes else "")


_READY: dict[str, Judge] = {"Deployment": deployment_ready}


def ready(view: View) -> Verdict:
    """Judge an object by the rule of its kind. :raises KeyError: for a kind without one."""
    return _READY[view.target.resource.kind](view)


FailFast = t.Literal["unrecoverable", "any", "never"]


def failing_fast(judge: Judge, policy: FailFast) -> Judge:
    """Return a judge that does not wait on when something stands in the way.

    ``unrecoverable`` fails at once for what cannot come right by itself, ``any`` for every cause, ``never`` for none.
    """

    def judged(view: View) -> Verdict:
        verdict = judge(view)
        cause = verdict.cause
        if verdict.state is not State.PENDING or cause is None or policy == "never":
            return verdict
        return verdict if cause.recoverable and policy == "unrecoverable" else replace(verdict, state=State.FAILED)

    return judged
