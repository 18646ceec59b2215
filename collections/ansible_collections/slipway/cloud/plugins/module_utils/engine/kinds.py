# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the kinds that Kubernetes brings are ready, and what is known of why they are not. Pure.

That for Deployments is C(kubectl rollout status)'s, made stricter: our generation observed, all replicas updated, no
old ones left, all available. The others follow kubectl's where it has one, else kstatus'.
"""

from __future__ import annotations

import typing as t

from .diagnosis import Ask, Cause, Rule, Trouble, condition, lead
from .resources import Object, controller_uid
from .troubles import SUSPICION, creation_trouble, creation_troubles, lines_about, pod_troubles, too_few
from .verdict import State, Verdict, View, done, failed, pending

if t.TYPE_CHECKING:
    from .verdict import Rule as ReadyRule

UNSEEN = "the controller has not seen the change yet: is kube-controller-manager running?"

_REVISION = "deployment.kubernetes.io/revision"
_POD_REVISION = "controller-revision-hash"
_TEMPLATE_GENERATION, _POD_GENERATION = "deprecated.daemonset.template.generation", "pod-template-generation"
_DEADLINE = Rule(
    "deadline_exceeded",
    "Find out what holds the pods up, or give them more time: progressDeadlineSeconds.",
    patience=5.0,
)
_ADDRESS = Rule("address_pending", "Is there a load balancer or ingress controller, and has its pool a free address?")
_CLAIM = Rule("volume_pending", "Is its provisioner running? Read what the claim's events say.")
_NO_CLASS = Rule(
    "volume_pending", "Create the storage class, or name one that exists.", recoverable=False, patience=5.0
)
_FALSE = Rule("condition_false", "Read what the condition says.")
_DISRUPTED = Rule("disrupted", "Wait until as many pods are healthy as the budget demands.")


def count(status: Object, *keys: str) -> tuple[int, ...]:
    """Return numbers of a status; what is not there is 0."""
    return tuple(int(status.get(key) or 0) for key in keys)


def observed(view: View, obj: Object) -> bool:
    """Whether the object's controller has seen our change, and whatever has come after it: the status is of that."""
    return covers(view, obj, obj.get("status", {}))


def covers(view: View, obj: Object, said: Object) -> bool:
    """Whether what is ``said``, a status or one of its conditions, is of the object as it is now.

    Argo writes the generation as a string.
    """
    wanted = max(view.target.generation, obj["metadata"].get("generation") or 0)
    seen = str(said.get("observedGeneration") or 0)
    return int(seen) >= wanted if seen.isdigit() else seen == str(wanted)


def living(pods: t.Iterable[Object]) -> list[Object]:
    """Return the pods that are not being deleted."""
    return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]


def progress(*, wanted: int, updated: int, total: int, available: int, observed: bool) -> str:
    """Return how far a set of replicas has come, in a few words."""
    if not observed:
        return UNSEEN
    parts = [f"{min(available, wanted)} of {wanted} replicas available"]
    if updated < wanted:
        parts.append(f"{updated} updated")
    if total > updated:
        parts.append(f"{total - updated} old ones left")
    return ", ".join(parts)


def newest_replica_set(view: View, deployment: Object) -> Object | None:
    """Return the ReplicaSet of a Deployment's present revision."""
    uid = deployment["metadata"].get("uid")
    revision = (deployment["metadata"].get("annotations") or {}).get(_REVISION)
    found = (
        each
        for each in view.of_kind("ReplicaSet")
        if (each["metadata"].get("annotations") or {}).get(_REVISION) == revision
        and controller_uid(each) in (uid, None)
    )
    return next(found, None)


def pods_of(view: View, owner: Object | None) -> list[Object]:
    """Return the pods that an object controls itself and that are not being deleted."""
    uid = owner and owner["metadata"]["uid"]
    return [pod for pod in living(view.of_kind("Pod")) if uid and controller_uid(pod) == uid]


def current_pods(view: View) -> list[Object]:
    """Return the pods of a Deployment's newest ReplicaSet that are not being deleted."""
    return pods_of(view, newest_replica_set(view, view.obj)) if view.obj else []


def replica_set_troubles(view: View, replica_set: Object | None, *, others: bool = False) -> list[Trouble]:
    """Return what holds a ReplicaSet up, by its own condition and its pods. ``others``: an older one still has pods."""
    if replica_set is None:
        return []
    found = []
    failure = condition(replica_set, "ReplicaFailure")
    if failure.get("status") == "True":
        message = str(failure.get("message", ""))
        found.append(creation_trouble(replica_set, message, view.evidence, room_will_come=others))
    return found + pod_troubles(pods_of(view, replica_set), view.evidence)


def _started(pod: Object) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return bool(statuses) and all("running" in each.get("state", {}) for each in statuses)


def paused(view: View, how: str) -> Verdict:
    """Return the verdict on what somebody has paused: it is told, not waited for."""
    return failed(Cause("paused", f"{view.target} is paused, so it is not rolled out", recoverable=False, hint=how))


def deployment(view: View, obj: Object) -> Verdict:
    """Judge a Deployment; stages ``scheduled``, ``started``, ``available``."""
    spec, status = obj["spec"], obj.get("status", {})
    wanted = int(spec.get("replicas", 1))
    seen = observed(view, obj)
    updated, total, available = count(status, "updatedReplicas", "replicas", "availableReplicas")
    newest = newest_replica_set(view, obj)
    pods = pods_of(view, newest)
    scheduled = sum(condition(pod, "PodScheduled").get("status") == "True" for pod in pods)
    started = sum(map(_started, pods))
    counts = {"wanted": wanted, "scheduled": scheduled, "started": started, "available": available}
    if seen and updated == wanted == total and available >= wanted:
        summary = f"{available} of {wanted} replicas available"
        return Verdict(State.DONE, summary, ("scheduled", "started", "available"), counts=counts)
    if seen and spec.get("paused"):
        return paused(view, "Resume it: kubectl rollout resume.")
    reached = tuple(
        stage for stage, number in (("scheduled", scheduled), ("started", started)) if seen and number >= wanted
    )
    summary = progress(wanted=wanted, updated=updated, total=total, available=available, observed=seen)
    troubles: list[Trouble] = []
    if seen:  # until then the newest pods are still those that the change may mend
        troubles = replica_set_troubles(view, newest, others=total > updated)
        troubles += _late(obj, troubles)
    return Verdict(State.PENDING, summary, reached, counts=counts, troubles=tuple(troubles))


def _late(obj: Object, troubles: list[Trouble]) -> list[Trouble]:
    """Return the trouble of a Deployment whose time is up, with what has used it up."""
    said, known = condition(obj, "Progressing"), lead(troubles)
    if said.get("reason") != "ProgressDeadlineExceeded":
        return []
    seconds = obj["spec"].get("progressDeadlineSeconds", 600)
    what = f"it made no progress for {seconds} s (progressDeadlineSeconds)"
    lines = (known.what, *known.lines) if known else ()
    return [Trouble(("late",), _DEADLINE, what, (str(said.get("message", "")), *lines))]


def replica_set(view: View, obj: Object) -> Verdict:
    """Judge a ReplicaSet of its own."""
    wanted = int(obj["spec"].get("replicas", 1))
    total, available = count(obj.get("status", {}), "replicas", "availableReplicas")
    seen = observed(view, obj)
    summary = progress(wanted=wanted, updated=total, total=total, available=available, observed=seen)
    if seen and total == wanted and available >= wanted:
        return done(summary)
    return pending(summary, *replica_set_troubles(view, obj))


def stateful_set(view: View, obj: Object) -> Verdict:
    """Judge a StatefulSet; pods below the partition stay as they are, and all do with the strategy OnDelete."""
    spec, status = obj["spec"], obj.get("status", {})
    wanted = int(spec.get("replicas", 1))
    total, updated, available = count(status, "replicas", "updatedReplicas", "availableReplicas")
    strategy = spec.get("updateStrategy") or {}
    kept = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    to_update = 0 if strategy.get("type") == "OnDelete" else max(0, wanted - kept)
    seen = observed(view, obj)
    if not seen:
        return pending(UNSEEN)
    if updated >= to_update and total == wanted and available >= wanted:
        return done(f"{available} of {wanted} replicas available")
    revision = status.get("updateRevision")
    newest = [
        pod
        for pod in living(view.of_kind("Pod"))
        if (pod["metadata"].get("labels") or {}).get(_POD_REVISION) == revision
    ]
    summary = progress(wanted=wanted, updated=updated, total=total, available=available, observed=seen)
    return pending(summary, *_controlled(view, obj, newest, wanted))


def _controlled(view: View, obj: Object, pods: list[Object], wanted: int) -> list[Trouble]:
    """Return the troubles of a controller that tells by events alone that it cannot create pods."""
    every = living(view.of_kind("Pod"))
    failures = creation_troubles(obj, every, view.evidence) if len(every) < wanted else []
    return [*failures, *pod_troubles(pods, view.evidence), *too_few(obj, every, wanted)]


def daemon_set(view: View, obj: Object) -> Verdict:
    """Judge a DaemonSet."""
    keys = ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    wanted, updated, available = count(obj.get("status", {}), *keys)
    if not observed(view, obj):
        return pending(UNSEEN)
    if (obj["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
        updated = wanted
    if updated >= wanted and available >= wanted:
        return done(f"available on {available} of {wanted} nodes")
    summary = f"available on {available} of {wanted} nodes, updated on {updated}"
    generation = (obj["metadata"].get("annotations") or {}).get(_TEMPLATE_GENERATION)
    newest = [
        pod
        for pod in living(view.of_kind("Pod"))
        if (pod["metadata"].get("labels") or {}).get(_POD_GENERATION, generation) == generation
    ]
    return pending(summary, *_controlled(view, obj, newest, wanted))


def job(view: View, obj: Object) -> Verdict:
    """Judge a Job, which is ready when its work is done."""
    pods = living(view.of_kind("Pod"))
    failure = condition(obj, "Failed")
    if failure.get("status") == "True":
        lines = [line for each in pod_troubles(pods, view.evidence) for line in each.lines][:6]
        summary = f"{view.target} has failed: {failure.get('reason')}: {failure.get('message')}"
        return failed(Cause("job_failed", summary, tuple(lines), recoverable=False, hint="Read the log of its pods."))
    if condition(obj, "Complete").get("status") == "True":
        return done("complete")
    if obj["spec"].get("suspend"):
        return paused(view, "Resume it: set its suspend to false.")
    (succeeded,) = count(obj.get("status", {}), "succeeded")
    parallel = int(obj["spec"].get("parallelism", 1))
    return pending(f"{succeeded} pods have succeeded", *_controlled(view, obj, pods, min(1, parallel)))


def cron_job(_view: View, obj: Object) -> Verdict:
    """Judge a CronJob: its work is to make Jobs at times that may be far away, so it is ready at once."""
    return done("suspended" if obj["spec"].get("suspend") else f"scheduled: {obj['spec'].get('schedule')}")


def pod(view: View, obj: Object) -> Verdict:
    """Judge a pod of its own."""
    phase = obj.get("status", {}).get("phase", "Pending")
    if phase == "Failed":
        reason = obj["status"].get("reason") or "a container ended with an error"
        lines = tuple(line for each in pod_troubles([obj], view.evidence) for line in each.lines)
        summary = f"{view.target} has failed: {reason}"
        hint = "Read its log: kubectl logs."
        return failed(Cause("container_failed", summary, lines, recoverable=False, hint=hint))
    if phase == "Succeeded" or condition(obj, "Ready").get("status") == "True":
        return done(phase)
    return pending(f"{phase}, not ready", *pod_troubles([obj], view.evidence))


def claim(view: View, obj: Object) -> Verdict:
    """Judge a claim; one whose class waits for a first consumer is as ready as it can be before there is one."""
    phase = obj.get("status", {}).get("phase", "Pending")
    if phase == "Bound":
        return done("bound")
    name = obj["spec"].get("storageClassName") or ""
    known = view.evidence.classes
    if name in known and (known[name] or {}).get("volumeBindingMode") == "WaitForFirstConsumer":
        return done("will be bound when a pod uses it")
    asks = (Ask("events", view.target.namespace), *([Ask("class", name=name)] if name else []))
    lines = lines_about(obj, view.evidence)
    if name in known and known[name] is None:
        return pending(phase, Trouble(("class",), _NO_CLASS, f"StorageClass {name} does not exist", lines, asks))
    return pending(phase, Trouble(("unbound",), _CLAIM, "it is not bound to a volume", lines, asks))


def _addressed(obj: Object) -> bool:
    return bool((obj.get("status", {}).get("loadBalancer") or {}).get("ingress"))


def _unaddressed(view: View, obj: Object) -> Verdict:
    lines = lines_about(obj, view.evidence)
    asks = (Ask("events", view.target.namespace),)
    return pending(
        "no address yet", Trouble(("address",), _ADDRESS, "nobody has given it an address", lines, asks, SUSPICION)
    )


def service(view: View, obj: Object) -> Verdict:
    """Judge a Service; one of the type LoadBalancer needs an address."""
    if obj["spec"].get("type") != "LoadBalancer" or _addressed(obj):
        return done("reachable")
    return _unaddressed(view, obj)


def ingress(view: View, obj: Object) -> Verdict:
    """Judge an Ingress, which an ingress controller gives an address."""
    return done("reachable") if _addressed(obj) else _unaddressed(view, obj)


def namespace(view: View, obj: Object) -> Verdict:
    """Judge a Namespace."""
    phase = obj.get("status", {}).get("phase", "")
    return done(phase) if phase == "Active" else pending(f"{view.target} is {phase or 'new'}")


def autoscaler(_view: View, obj: Object) -> Verdict:
    """Judge a HorizontalPodAutoscaler: it must be able to scale, and know what by."""
    able, active = condition(obj, "AbleToScale"), condition(obj, "ScalingActive")
    if able.get("status") == "True" and (active.get("status") == "True" or active.get("reason") == "ScalingDisabled"):
        (replicas,) = count(obj.get("status", {}), "desiredReplicas")
        return done(f"scales, to {replicas} now")
    unmet = able if able.get("status") == "False" else active
    return unmet_condition("not able to scale yet", unmet)


def disruption_budget(view: View, obj: Object) -> Verdict:
    """Judge a PodDisruptionBudget: as many pods are healthy as it demands."""
    healthy, desired = count(obj.get("status", {}), "currentHealthy", "desiredHealthy")
    if not observed(view, obj):
        return pending(UNSEEN)
    summary = f"{healthy} of {desired} pods healthy"
    if healthy >= desired:
        return done(summary)
    return pending(summary, Trouble(("disrupted",), _DISRUPTED, "fewer pods are healthy than it demands"))


def unmet_condition(summary: str, found: Object) -> Verdict:
    """Return the verdict on what a condition says is not ready."""
    told = ": ".join(filter(None, (found.get("reason"), found.get("message")))) or "no condition yet"
    return pending(summary, Trouble(("condition",), _FALSE, told))


def true(kind: str) -> ReadyRule:
    """Return the rule for what is ready when its condition of that type is true."""

    def rule(_view: View, obj: Object) -> Verdict:
        found = condition(obj, kind)
        return done(kind) if found.get("status") == "True" else unmet_condition(f"not {kind}", found)

    return rule


def definition(view: View, obj: Object) -> Verdict:
    """Judge a CustomResourceDefinition; one whose names are taken will not be served."""
    names = condition(obj, "NamesAccepted")
    if names.get("status") == "False":
        summary = f"{view.target} is not served: {names.get('reason')}: {names.get('message')}"
        hint = "Another definition has these names: rename this one, or delete that."
        return failed(Cause("names_taken", summary, recoverable=False, hint=hint))
    return true("Established")(view, obj)
