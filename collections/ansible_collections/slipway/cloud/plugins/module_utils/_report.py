# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What the modules of the engine return: results in, return values out. Pure."""

from __future__ import annotations

import typing as t

from .engine.diagnosis import explain
from .engine.resources import title

if t.TYPE_CHECKING:
    from .engine.lifecycle import Result
    from .engine.resources import Object

_HIDDEN = "(hidden)"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_IN_FULL = 3


def row(result: Result, *, waited: bool) -> dict[str, t.Any]:
    """Return what a user gets of one object."""
    return {
        "name": result.name,
        "namespace": result.namespace,
        "state": _state(result, waited=waited),
        "action": result.action,
        "phases": result.phases,
        "cause": result.cause.as_dict() if result.cause else None,
    }


def _state(result: Result, *, waited: bool) -> str:
    if result.cause:
        return "failed"
    if result.action in ("deleted", "absent"):
        return "absent" if waited or result.action == "absent" else "pending"
    return "available" if waited and result.action != "none" else "pending"


def summary(results: t.Sequence[Result]) -> dict[str, t.Any]:
    """Return the task's return values ``changed`` and ``diff``."""
    return {
        "changed": any(result.changed for result in results),
        "diff": [_diff(result) for result in results if result.changed],
    }


def _diff(result: Result) -> dict[str, t.Any]:
    header = f"{result.kind} {result.namespace}/{result.name}" if result.namespace else f"{result.kind} {result.name}"
    before, after = shown(result.before), shown(result.after)
    return {"before_header": header, "after_header": header, "before": before or "", "after": after or ""}


def shown(obj: Object) -> Object:
    """Return an object as it may be shown: a Secret without what it holds, or has held when kubectl applied it."""
    if obj.get("kind") != "Secret":
        return obj
    hidden: Object = {key: dict.fromkeys(obj[key], _HIDDEN) for key in ("data", "stringData") if obj.get(key)}
    annotations = obj.get("metadata", {}).get("annotations", {})
    if _LAST_APPLIED in annotations:
        hidden["metadata"] = {**obj["metadata"], "annotations": {**annotations, _LAST_APPLIED: _HIDDEN}}
    return {**obj, **hidden}


def failure(results: t.Sequence[Result], *, noun: str = "") -> str:
    """Return what to tell a user about the objects that failed, in full for the first few; empty if none did.

    :param noun: what to call them instead of their kind.
    """
    failed = [(title(noun or each.kind, each.name, each.namespace), each.cause) for each in results if each.cause]
    told = [explain(cause, of=what) for what, cause in failed[:_IN_FULL]]
    return "\n".join(told + [f"{what}: {cause.summary}" for what, cause in failed[_IN_FULL:]])
