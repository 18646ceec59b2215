# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts: is an object ready, or really gone? Pure: a view of the cache in, a verdict out.

Each kind has its rule in a table. That for Deployments is C(kubectl rollout status)'s, made stricter: same uid, our
generation observed, all replicas updated, no old ones left, all available.
"""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field, replace

from .diagnosis import Cause, cause_of, condition
from .resources import Object, Resource, controller_uid, title

_REVISION = "deployment.kubernetes.io/revision"
_POD_REVISION = "controller-revision-hash"
_UNSEEN = "the controller has not seen the change yet: is kube-controller-manager running?"


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
        return title(self.resource.kind, self.name, self.namespace)


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
Rule = t.Callable[[View, Object], Verdict]
"""A judge of an object that is there."""


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
    return [pod for pod in _living(view.of_kind("Pod")) if controller_uid(pod) in newest]


def _started(pod: Object) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return bool(statuses) and all("running" in each.get("state", {}) for each in statuses)


def _deployment(view: View, obj: Object) -> Verdict:
    """Judge a Deployment; stages ``scheduled``, ``started``, ``available``."""
    spec, status = obj["spec"], obj.get("status", {})
    wanted = int(spec.get("replicas", 1))
    observed = _observed(view, obj)
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
    return Verdict(State.PENDING, summary, reached, cause_of(obj, pods), counts)


def _progress(*, wanted: int, updated: int, total: int, available: int, observed: bool) -> str:
    if not observed:
        return _UNSEEN
    parts = [f"{min(available, wanted)} of {wanted} replicas available"]
    if updated < wanted:
        parts.append(f"{updated} updated")
    if total > updated:
        parts.append(f"{total - updated} old ones left")
    return ", ".join(parts)


def _observed(view: View, obj: Object) -> bool:
    """Whether the object's controller has seen our change; Argo writes the generation as a string."""
    return int(obj.get("status", {}).get("observedGeneration") or 0) >= view.target.generation


def _done(summary: str) -> Verdict:
    return Verdict(State.DONE, summary, ("available",))


def _pending(summary: str, cause: Cause | None = None) -> Verdict:
    return Verdict(State.PENDING, summary, cause=cause)


def _failed(cause: Cause) -> Verdict:
    return Verdict(State.FAILED, cause.summary, cause=cause)


def _living(pods: t.Iterable[Object]) -> list[Object]:
    return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]


def _stateful_set(view: View, obj: Object) -> Verdict:
    status = obj.get("status", {})
    wanted = int(obj["spec"].get("replicas", 1))
    total, updated, available = (int(status.get(f"{key}eplicas", 0)) for key in ("r", "updatedR", "availableR"))
    observed = _observed(view, obj)
    if observed and updated == wanted == total and available >= wanted:
        return _done(f"{available} of {wanted} replicas available")
    revision = status.get("updateRevision")
    newest = [pod for pod in view.of_kind("Pod") if pod["metadata"]["labels"].get(_POD_REVISION) == revision]
    summary = _progress(wanted=wanted, updated=updated, total=total, available=available, observed=observed)
    return _pending(summary, cause_of(obj, _living(newest)))


def _daemon_set(view: View, obj: Object) -> Verdict:
    status = obj.get("status", {})
    keys = ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    wanted, updated, available = (int(status.get(key, 0)) for key in keys)
    if not _observed(view, obj):
        return _pending(_UNSEEN)
    if updated >= wanted and available >= wanted:
        return _done(f"available on {available} of {wanted} nodes")
    summary = f"available on {available} of {wanted} nodes, updated on {updated}"
    return _pending(summary, cause_of(obj, _living(view.of_kind("Pod"))))


def _job(view: View, obj: Object) -> Verdict:
    failure = condition(obj, "Failed")
    if failure.get("status") == "True":
        summary = f"{view.target} has failed: {failure.get('reason')}: {failure.get('message')}"
        return _failed(Cause("job_failed", summary, recoverable=False, hint="Read the log of its pods."))
    if condition(obj, "Complete").get("status") == "True":
        return _done("complete")
    succeeded = obj.get("status", {}).get("succeeded", 0)
    return _pending(f"{succeeded} pods have succeeded", cause_of(obj, _living(view.of_kind("Pod"))))


def _pod(view: View, obj: Object) -> Verdict:
    phase = obj.get("status", {}).get("phase", "Pending")
    if phase == "Failed":
        summary = f"{view.target} has failed: {obj['status'].get('reason') or 'a container ended with an error'}"
        return _failed(Cause("container_failed", summary, recoverable=False, hint="Read its log: kubectl logs."))
    if phase == "Succeeded" or condition(obj, "Ready").get("status") == "True":
        return _done(phase)
    return _pending(f"{phase}, not ready", cause_of(obj, [obj]))


def _claim(_view: View, obj: Object) -> Verdict:
    phase = obj.get("status", {}).get("phase", "Pending")
    if phase == "Bound":
        return _done("bound")
    hint = "Is its StorageClass there? One with WaitForFirstConsumer binds once a pod uses the claim."
    return _pending(phase, Cause("volume_pending", "it is not bound to a volume", hint=hint))


def _service(_view: View, obj: Object) -> Verdict:
    if obj["spec"].get("type") != "LoadBalancer" or obj.get("status", {}).get("loadBalancer", {}).get("ingress"):
        return _done("reachable")
    hint = "Is there a load balancer, and has its pool a free address?"
    return _pending("no address yet", Cause("address_pending", "nobody has given it one", hint=hint))


def _namespace(view: View, obj: Object) -> Verdict:
    phase = obj.get("status", {}).get("phase", "")
    return _done(phase) if phase == "Active" else _pending(f"{view.target} is {phase or 'new'}")


def _true(kind: str) -> Rule:
    """Return the rule for what is ready when its condition of that type is true."""

    def rule(_view: View, obj: Object) -> Verdict:
        found = condition(obj, kind)
        if found.get("status") == "True":
            return _done(kind)
        told = ": ".join(filter(None, (found.get("reason"), found.get("message")))) or "no condition yet"
        return _pending(f"not {kind}", Cause("condition_false", told))

    return rule


def _by_convention(view: View, obj: Object) -> Verdict:
    """Judge an object of whatever kind by kstatus' conventions.

    https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
    """
    if "observedGeneration" in obj.get("status", {}) and not _observed(view, obj):
        return _pending("its controller has not seen the change yet")
    stalled, reconciling = condition(obj, "Stalled"), condition(obj, "Reconciling")
    if stalled.get("status") == "True":
        return _failed(Cause("stalled", f"{view.target} is stalled: {stalled.get('message')}", recoverable=False))
    if reconciling.get("status") == "True":
        return _pending(f"reconciling: {reconciling.get('message')}")
    return _true("Ready")(view, obj) if condition(obj, "Ready") else _done("accepted")


_RULES: dict[tuple[str, str], Rule] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("", "Namespace"): _namespace,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _true("Established"),
    ("apiregistration.k8s.io", "APIService"): _true("Available"),
}


def takes_time(resource: Resource) -> bool:
    """Whether an object of this kind can be there and not be ready yet."""
    return (resource.group, resource.kind) in _RULES or not resource.built_in


def ready(view: View) -> Verdict:
    """Judge an object by the rule of its kind; the last stage is ``available``."""
    deleted = _deleted(view)
    if deleted or view.obj is None:
        return deleted or _pending("not seen yet")
    resource = view.target.resource
    return _RULES.get((resource.group, resource.kind), _by_convention)(view, view.obj)


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
