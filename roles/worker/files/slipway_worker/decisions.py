"""What is to be done, and how a cluster stands. Pure: tables and judges."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

from slipway.v1 import clusters_pb2 as pb

from ansible_collections.slipway.cloud.plugins.module_utils.engine import readiness
from ansible_collections.slipway.cloud.plugins.module_utils.engine.diagnosis import Cause, condition
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import DEPLOYMENT
from ansible_collections.slipway.cloud.plugins.module_utils.engine.scheduling import quantity
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import (
    State,
    Target,
    Verdict,
    View,
    done,
    failed,
    failing_fast,
    pending,
)

from . import specs

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Object
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import Judge

_REVISION = "deployment.kubernetes.io/revision"
_ROLLED_OUT = "NewReplicaSetAvailable"
_BY_OTHERS = ("deleted_by_other", "paused")
_SHORT = ("cpu", "memory", "ephemeral-storage")  # what quotas may name without "requests."


class Step(enum.Enum):
    """What to do for a caller who wants a cluster."""

    MAKE = "make it"
    REFUSE = "refuse it: the object of this name is not the worker's"
    OUTLIVE = "wait until the older one is gone, and make it"
    CONTINUE = "go on with what the same request has made"
    JOIN = "wait for what another request is making"
    SHOW = "answer what is there"
    DIFFER = "refuse it: what is there is another one"


@dataclass(frozen=True, slots=True)
class Asked:
    """What counts of a request for a cluster."""

    request_id: str
    spec_hash: str
    replicas: int
    wait: bool = True
    join: bool = False


def step(current: Object | None, asked: Asked) -> Step:
    """Return what to do where ``current`` has the name that is asked for. The first row that fits counts."""
    if current is None:
        return Step.MAKE
    same = (asked.spec_hash, asked.replicas) == (specs.annotation(current, specs.SPEC_HASH), specs.replicas_of(current))
    table = (
        (not specs.is_cluster(current), Step.REFUSE),
        (is_leaving(current), Step.OUTLIVE),
        (asked.request_id == specs.annotation(current, specs.REQUEST_ID) != "", Step.CONTINUE),
        (not same, Step.DIFFER),
        (asked.wait and asked.join and not is_running(current), Step.JOIN),
    )
    return next((row for fits, row in table if fits), Step.SHOW)


def is_leaving(obj: Object) -> bool:
    """Whether an object is being deleted."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def is_running(obj: Object) -> bool:
    """Whether all pods of a Deployment are available, by the engine's rule; where none is wanted or left, they are."""
    if not specs.replicas_of(obj) and not obj.get("status", {}).get("replicas"):
        return True
    target = Target(DEPLOYMENT, obj["metadata"]["namespace"], obj["metadata"]["name"], obj["metadata"]["uid"])
    return readiness.ready(View(target, obj, settled=True)).state is State.DONE


def has_run(obj: Object) -> bool:
    """Whether all pods of a Deployment have been available before: it has rolled out, or begun to roll out anew.

    The Deployment controller sets the reason once a roll-out is complete, and scaling does not take it away.
    """
    revision = (obj["metadata"].get("annotations") or {}).get(_REVISION, "")
    return condition(obj, "Progressing").get("reason") == _ROLLED_OUT or (revision.isdigit() and int(revision) > 1)


def is_doomed(obj: Object, cause: Cause) -> bool:
    """Whether what a create has made is to be deleted again: it cannot come right, it never ran, and it is left alone.

    A create that is repeated may find what it made long ago, and what others have done to that since.
    """
    return not cause.recoverable and cause.code not in _BY_OTHERS and not has_run(obj)


def state_of(obj: Object, verdict: Verdict | None = None) -> pb.State:
    """Return what a cluster that is there has come to; without a verdict nobody knows what keeps it from running."""
    cause = verdict.cause if verdict else None
    table = (
        (is_leaving(obj), pb.DELETE_IN_PROGRESS),
        (is_running(obj), pb.RUNNING),
        (verdict is not None and verdict.state is State.FAILED, pb.FAILED),
        (cause is not None and not cause.recoverable, pb.FAILED),
        (has_run(obj), pb.UPDATE_IN_PROGRESS),
    )
    return next((state for fits, state in table if fits), pb.CREATE_IN_PROGRESS)


def state_in(view: View, verdict: Verdict) -> pb.State:
    """Return what a cluster has come to whose whole life is judged, see standing()."""
    if "pods_gone" in verdict.reached:
        return pb.DELETED
    return state_of(view.obj, verdict) if view.present and view.obj else pb.DELETE_IN_PROGRESS


available: Judge = failing_fast(readiness.ready, "unrecoverable")
"""Judges a cluster that is to be available, and does not wait for what does not come right by itself."""


def available_with(replicas: int) -> Judge:
    """Return a judge of a cluster that is to be available with so many pods, unless somebody else decides otherwise."""

    def judge(view: View) -> Verdict:
        found = specs.replicas_of(view.obj) if view.settled and view.present and view.obj else replicas
        if found == replicas:
            return available(view)
        return failed(Cause("conflict", f"somebody else has scaled it to {found} replicas meanwhile"))

    return judge


def standing(view: View) -> Verdict:
    """Judge a cluster all its life: while it is there whether it is available, after that whether it is gone."""
    if view.settled and (not view.present or (view.obj and is_leaving(view.obj))):
        return readiness.gone(view)
    return available(view)


def appeared(view: View) -> Verdict:
    """Judge whether there is a cluster of that name, whoever makes it."""
    return done("it is there") if view.obj and specs.is_cluster(view.obj) else pending("there is none of that name")


def needs(resources: t.Mapping[str, t.Mapping[str, str]]) -> dict[str, float]:
    """Return what one pod counts for in a ResourceQuota, by the name of the resource there.

    https://kubernetes.io/docs/concepts/policy/resource-quotas/
    """
    requests, limits = (resources.get(kind) or {} for kind in ("requests", "limits"))
    found = {"pods": 1.0, "count/pods": 1.0}
    for resource, amount in {**limits, **requests}.items():  # who names a limit alone requests as much
        names = [f"requests.{resource}"] + [resource] * (resource in _SHORT)
        found |= dict.fromkeys(names, quantity(amount))
    return found | {f"limits.{resource}": quantity(amount) for resource, amount in limits.items()}


def shortages(quota: Object, pods: int, need: t.Mapping[str, float], *, used: bool = True) -> list[str]:
    """Return why a ResourceQuota has no room for so many more pods; with ``used`` False, even if it were empty.

    One with a scope is left to the server: which pods it counts depends on more than is known here.
    """
    spec, status = quota.get("spec", {}), quota.get("status") or {}
    if spec.get("scopes") or spec.get("scopeSelector"):
        return []
    found = []
    for resource, hard in (status.get("hard") or spec.get("hard") or {}).items():
        taken = (status.get("used") or {}).get(resource, "0") if used else "0"
        more = need.get(resource, 0.0) * pods
        if more and quantity(taken) + more > quantity(hard):
            found.append(f"{resource}: {more:g} more are asked for, and {taken} of {hard} are used")
    return found


def has_room(pods: int, need: t.Mapping[str, float]) -> Judge:
    """Return a judge of whether a ResourceQuota has room for so many more pods; a quota that is gone has."""

    def judge(view: View) -> Verdict:
        lacking = shortages(view.obj, pods, need) if view.present and view.obj else []
        return pending("; ".join(lacking)) if lacking else done("there is room")

    return judge
