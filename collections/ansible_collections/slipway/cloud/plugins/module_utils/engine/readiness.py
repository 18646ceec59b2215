# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts: is an object ready, or really gone? Pure: a view of the cache in, a verdict out.

Each kind has its rule in a table; one without is judged by what the caller says of it, else by kstatus' conventions.
"""

from __future__ import annotations

import typing as t

from . import adapters, kinds
from .diagnosis import Ask, Cause, Rule, Trouble, condition, settling
from .resources import ROLLOUT, SELDON_DEPLOYMENT
from .verdict import State, Verdict, View, done, failed, pending, stands, weighed

if t.TYPE_CHECKING:
    from .expressions import Expression
    from .resources import Object, Resource
    from .verdict import Judge
    from .verdict import Rule as ReadyRule

_FOREGROUND = "foregroundDeletion"  # the garbage collector's own, while it deletes what an object controls
_STUCK = Rule("pod_stuck_terminating", "Is the kubelet of its node running? The grace period of the pod may be long.")
_HELD = Rule("finalizer", "Whoever set the finalizer has to remove it: is that controller running?")
_NOT_MET = Rule("condition_false", "Read what the resource says of itself.")
_SILENT = settling("silent")

RULES: dict[tuple[str, str], ReadyRule] = {
    ("apps", "Deployment"): kinds.deployment,
    ("apps", "ReplicaSet"): kinds.replica_set,
    ("apps", "StatefulSet"): kinds.stateful_set,
    ("apps", "DaemonSet"): kinds.daemon_set,
    ("batch", "Job"): kinds.job,
    ("batch", "CronJob"): kinds.cron_job,
    ("", "Pod"): kinds.pod,
    ("", "PersistentVolumeClaim"): kinds.claim,
    ("", "Service"): kinds.service,
    ("", "Namespace"): kinds.namespace,
    ("networking.k8s.io", "Ingress"): kinds.ingress,
    ("autoscaling", "HorizontalPodAutoscaler"): kinds.autoscaler,
    ("policy", "PodDisruptionBudget"): kinds.disruption_budget,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): kinds.definition,
    ("apiregistration.k8s.io", "APIService"): kinds.true("Available"),
    SELDON_DEPLOYMENT: adapters.seldon_deployment,
    ROLLOUT: adapters.rollout,
}


def takes_time(resource: Resource) -> bool:
    """Whether an object of this kind can be there and not be ready yet."""
    return (resource.group, resource.kind) in RULES or not resource.built_in


def ready(view: View) -> Verdict:
    """Judge an object by the rule of its kind; the last stage is ``available``."""
    resource = view.target.resource
    return _judged(view, RULES.get((resource.group, resource.kind), _by_convention))


def ready_when(wanted: t.Sequence[Expression], unwanted: t.Sequence[Expression] = ()) -> Judge:
    """Return a judge by what the caller says of an object: ready when all of ``wanted`` hold, failed when any of
    ``unwanted`` does. Without the former its kind's own rule tells when it is ready.
    """

    def rule(view: View, obj: Object) -> Verdict:
        status = obj.get("status", {})
        if "observedGeneration" in status and not kinds.observed(view, obj):
            return pending("its controller has not seen the change yet")
        bad = next((each for each in unwanted if each.holds(obj)), None)
        if bad:
            summary = f"{view.target} has failed: {bad}"
            hint = "Read what the resource says of itself."
            return failed(Cause("fail_when", summary, recoverable=False, hint=hint))
        if not wanted:
            resource = view.target.resource
            return RULES.get((resource.group, resource.kind), _by_convention)(view, obj)
        unmet = [each.told(obj) for each in wanted if not each.holds(obj)]
        return pending(unmet[0], Trouble(("unmet",), _NOT_MET, unmet[0], tuple(unmet))) if unmet else done("as wanted")

    return lambda view: _judged(view, rule)


def _judged(view: View, rule: ReadyRule) -> Verdict:
    deleted = _deleted(view)
    if deleted or view.obj is None:
        return deleted or pending("not seen yet")
    return weighed(view, rule(view, view.obj))


def _deleted(view: View) -> Verdict | None:
    """Return the verdict on a target that somebody else deletes, has deleted, or has made anew; None if it is there."""
    if not view.settled and (view.target.revision or not view.present):  # what it shows is older than our own write
        return Verdict(State.PENDING, "not seen yet")
    if view.present and view.obj:
        if not view.obj["metadata"].get("deletionTimestamp"):
            return None
        how = "is being deleted"
    else:
        how = "was deleted and made anew" if view.obj is not None else "was deleted"
    return failed(Cause("deleted_by_other", f"{view.target} {how} by somebody else", recoverable=False))


def _by_convention(view: View, obj: Object) -> Verdict:
    """Judge an object of whatever kind by kstatus' conventions.

    https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
    """
    if not obj.get("status") and view.target.resource.has_status and not stands(view, _SILENT):
        return pending("its controller has said nothing of it yet", _SILENT)
    stalled, reconciling, is_ready = (condition(obj, each) for each in ("Stalled", "Reconciling", "Ready"))
    said = (obj.get("status") or {}, stalled, reconciling, is_ready)
    if not all(kinds.covers(view, obj, each) for each in said if "observedGeneration" in each):
        return pending("its controller has not seen the change yet")
    if stalled.get("status") == "True":
        return failed(Cause("stalled", f"{view.target} is stalled: {stalled.get('message')}", recoverable=False))
    if reconciling.get("status") == "True":
        return pending(f"reconciling: {reconciling.get('message')}")
    if is_ready:
        return kinds.true("Ready")(view, obj)
    kind = view.target.resource.kind
    return done("accepted", warning=f"Nothing tells when a {kind} is ready: it was accepted. Say it by ready_when.")


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
    troubles = [trouble for each in holders for trouble in _holding(view, each)]
    return weighed(view, Verdict(State.PENDING, summary, reached, counts=counts, troubles=tuple(troubles)))


def _finalizers(obj: Object) -> list[str]:
    return [each for each in obj["metadata"].get("finalizers") or () if each != _FOREGROUND]


def _holding(view: View, obj: Object) -> t.Iterator[Trouble]:
    """Yield why an object is still there: a finalizer, or a node that does not end the pod."""
    meta = obj["metadata"]
    finalizers = _finalizers(obj)
    if finalizers:
        what = f"{_kind(obj)} {meta['name']} is held by finalizer {', '.join(finalizers)}"
        yield Trouble((meta["uid"], "finalizer"), _HELD, what, tuple(_remaining(obj)))
    elif obj.get("kind") == "Pod":
        yield from _stuck(view, obj)
    elif _remaining(obj):
        yield Trouble(
            (meta["uid"], "content"), _HELD, f"{_kind(obj)} {meta['name']} is not empty", tuple(_remaining(obj))
        )


def _remaining(obj: Object) -> list[str]:
    """Return what a namespace says of what is left in it."""
    conditions = obj.get("status", {}).get("conditions") or []
    return [each["message"] for each in conditions if "Remaining" in each["type"] and each["status"] == "True"]


def _stuck(view: View, pod: Object) -> t.Iterator[Trouble]:
    """Yield the trouble of a pod that outlives its grace period, by our own clock since we saw that it is to go."""
    meta = pod["metadata"]
    key = (meta.get("uid", meta["name"]), "stuck")
    spec = pod.get("spec", {})
    node = spec.get("nodeName", "")
    grace = float(meta.get("deletionGracePeriodSeconds", spec.get("terminationGracePeriodSeconds", 0)))
    ready = next((condition(each, "Ready") for each in view.evidence.nodes if each["metadata"]["name"] == node), {})
    lines = [_holder(pod)]
    if ready and ready.get("status") != "True":
        lines.append(f"node {node} is not ready: {ready.get('reason')}: {ready.get('message')}")
    late = view.now - view.since.get(key, view.now) >= grace
    what = f"its pods do not end within their {grace:g} s" if late else "its pods are ending"
    asks = (Ask("nodes"), Ask("events", meta.get("namespace", "")))
    yield Trouble(key, _STUCK, what, tuple(lines), asks, after=grace)


def _kind(obj: Object) -> str:
    return str(obj.get("kind", "")).lower()


def _holder(obj: Object) -> str:
    """Return what keeps an object, in a few words."""
    finalizers, node = _finalizers(obj), obj.get("spec", {}).get("nodeName")
    notes = [f"finalizers {', '.join(finalizers)}"] if finalizers else []
    notes += [f"on node {node}"] if node else []
    return f"{_kind(obj)} {obj['metadata']['name']}" + (f" ({'; '.join(notes)})" if notes else "")
