# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When custom resources whose own status does not tell are ready. Pure.

A SeldonDeployment has no observedGeneration, and says Available although nothing scaled, or not yet: its Deployments
tell. An Argo Rollout writes its observedGeneration as a string. As of Seldon Core 1.18 and Argo Rollouts 1.8:
https://github.com/SeldonIO/seldon-core and https://argo-rollouts.readthedocs.io/en/stable/features/specification/
"""

from __future__ import annotations

import typing as t

from .diagnosis import Cause, Rule, Trouble, condition, settling
from .kinds import count, deployment, living, observed, paused, progress, replica_set_troubles
from .reflector import revision
from .resources import DEPLOYMENT
from .verdict import State, Target, Verdict, View, done, failed, pending, stands

if t.TYPE_CHECKING:
    from .resources import Object

_SETTLING = settling("settling")
_REFUSED = Rule("operator_failed", "Read the operator's log: it refused the resource.", recoverable=False, patience=5.0)
_HASH = "rollouts-pod-template-hash"


class _Component(t.NamedTuple):
    """A part of a SeldonDeployment that becomes a Deployment: whose name begins so, with these containers."""

    prefix: str
    wanted: int | None  # None: an autoscaler decides
    containers: list[Object]


def _components(obj: Object) -> list[_Component]:
    """Return the parts that a SeldonDeployment declares, and how many replicas each is to have.

    The number of a component counts before that of its predictor, and that before the one of the whole.
    """
    spec, name = obj["spec"], obj["metadata"]["name"]
    return [
        _Component(
            f"{name}-{predictor['name']}-{number}-",
            None
            if component.get("hpaSpec") or component.get("kedaSpec")
            else int(component.get("replicas", predictor.get("replicas", spec.get("replicas", 1)))),
            (component.get("spec") or {}).get("containers") or [],
        )
        for predictor in spec.get("predictors") or ()
        for number, component in enumerate(predictor.get("componentSpecs") or [{}])
    ]


def seldon_deployment(view: View, obj: Object) -> Verdict:
    """Judge a SeldonDeployment by its Deployments: each has what is declared, and is rolled out."""
    status = obj.get("status", {})
    children = living(view.of_kind("Deployment"))
    parts = [_part(view, each, children) for each in _components(obj)]
    others = [_child(view, each) for each in children]
    lagging = [summary for summary in parts if summary]
    # A Deployment that is not as declared yet may be mended by what is to come.
    troubles = [] if lagging else [trouble for verdict in others for trouble in verdict.troubles]
    if status.get("state") == "Failed":
        what = f"its operator says Failed: {status.get('description') or 'without a reason'}"
        troubles.append(Trouble(("state",), _REFUSED, what))
    unready = [
        f"{child['metadata']['name']}: {verdict.summary}"
        for child, verdict in zip(children, others, strict=True)
        if verdict.state is not State.DONE
    ]
    broken = next((each for each in others if each.state is State.FAILED), None)
    if broken and not lagging:
        return broken
    if lagging or unready or not children:
        return pending("; ".join(lagging + unready) or "no Deployment of it yet", *troubles)
    if status.get("state") not in ("Available", None, ""):
        return pending(f"its Deployments are available, its state is {status['state']}", *troubles)
    if not _acted(view, obj, children):
        return pending("as declared; is its operator done?", _SETTLING)
    available = sum(count(each.get("status", {}), "availableReplicas")[0] for each in children)
    return done(f"{available} replicas available in {len(children)} Deployments")


def _part(view: View, component: _Component, children: list[Object]) -> str:
    """Return in what a component's Deployment differs from what is declared; empty if in nothing."""
    child = next((each for each in children if each["metadata"]["name"].startswith(component.prefix)), None)
    if child is None:
        # A name that would be too long is replaced by a hash; then the count of children has to do.
        return "" if len(children) >= len(_components(view.obj or {})) else f"no Deployment {component.prefix}... yet"
    replicas = int(child["spec"].get("replicas", 1))
    if component.wanted is not None and replicas != component.wanted:
        return f"{child['metadata']['name']}: {replicas} replicas declared, {component.wanted} wanted"
    actual = {each["name"]: each for each in child["spec"].get("template", {}).get("spec", {}).get("containers") or ()}
    for declared in component.containers:
        image = declared.get("image")
        if image and actual.get(declared.get("name", ""), {}).get("image") != image:
            return f"{child['metadata']['name']}: not updated to image {image}"
    return ""


def _child(view: View, child: Object) -> Verdict:
    """Judge a Deployment that somebody else declares: its controller must have seen what it is now."""
    meta = child["metadata"]
    target = Target(DEPLOYMENT, view.target.namespace, meta["name"], meta["uid"], int(meta.get("generation", 0)))
    return deployment(View(target, child, True, view.descendants, evidence=view.evidence), child)


def _acted(view: View, obj: Object, children: list[Object]) -> bool:
    """Whether the operator has done something since our write, or has let the time for it pass."""
    newest = max(map(revision, [obj, *children]))
    return newest > view.target.revision or stands(view, _SETTLING)


def rollout(view: View, obj: Object) -> Verdict:
    """Judge an Argo Rollout: updated, available, nothing old left, and no step to come."""
    spec, status = obj["spec"], obj.get("status", {})
    if not observed(view, obj):
        return pending("its controller has not seen the change yet")
    wanted = int(spec.get("replicas", 1))
    total, updated, available = count(status, "replicas", "updatedReplicas", "availableReplicas")
    current, stable = status.get("currentPodHash"), status.get("stableRS")
    if status.get("phase") == "Degraded" and condition(obj, "Progressing").get("status") == "False":
        summary = f"{view.target} is degraded: {status.get('message') or 'without a reason'}"
        cause = Cause("stalled", summary, _lines(view, current), False, "Look at its pods and analyses.")
        return failed(cause)
    if updated == wanted == total and available >= wanted and current == stable:
        return done(f"{available} of {wanted} replicas available")
    if spec.get("paused") or _waits_for_somebody(obj):
        return paused(view, "Promote it: kubectl argo rollouts promote.")
    summary = progress(wanted=wanted, updated=updated, total=total, available=available, observed=True)
    step = status.get("currentStepIndex")
    if step is not None and current != stable:
        summary += f", at step {step}"
    return pending(summary, *_rollout_troubles(view, current))


def _rollout_troubles(view: View, current: str | None) -> list[Trouble]:
    newest = (each for each in view.of_kind("ReplicaSet") if each["metadata"].get("labels", {}).get(_HASH) == current)
    return replica_set_troubles(view, next(newest, None), others=True)


def _lines(view: View, current: str | None) -> tuple[str, ...]:
    return tuple(line for each in _rollout_troubles(view, current) for line in each.lines)


def _waits_for_somebody(obj: Object) -> bool:
    """Whether a rollout is in a pause that has no end of its own."""
    status = obj.get("status", {})
    if not status.get("pauseConditions"):
        return False
    steps = ((obj["spec"].get("strategy") or {}).get("canary") or {}).get("steps") or []
    index = int(status.get("currentStepIndex") or 0)
    pause = (steps[index].get("pause") if index < len(steps) else None) or {}
    return not pause.get("duration")
