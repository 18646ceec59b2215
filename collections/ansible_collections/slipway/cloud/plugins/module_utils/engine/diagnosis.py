# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an object is not as it should be, as data and as text. Pure: no request is made here."""

from __future__ import annotations

import textwrap
import typing as t
from dataclasses import asdict, dataclass, field

if t.TYPE_CHECKING:
    from .resources import Object

_MOST_LINES = 10
_LONGEST, _WIDTH = 300, 110


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is not as it should be.

    ``code`` is stable, lower snake case. ``evidence`` are lines as the server, the scheduler or a container wrote them.
    ``recoverable`` tells whether it can still come right without a change by the user.
    """

    code: str
    summary: str
    evidence: tuple[str, ...] = field(default=(), compare=False)
    recoverable: bool = True
    hint: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """Return the cause as plain data, for results and logs."""
        return {**asdict(self), "evidence": list(self.evidence)}


class Ask(t.NamedTuple):
    """Something worth reading when something is wrong.

    The ``events`` of a namespace, all ``nodes``, the ``pods`` of the node ``name``, the storage ``class`` of that name,
    whether a ``configmap``, ``secret`` or ``serviceaccount`` exists, or the ``log`` of a container of the pod ``name``:
    of the run before its last restart, or of this one where ``restarts`` is 0.
    """

    what: t.Literal["events", "nodes", "pods", "class", "configmap", "secret", "serviceaccount", "log"]
    namespace: str = ""
    name: str = ""
    container: str = ""
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known beside an object and its children. It is read only when something is wrong, so it may be lacking.

    ``answered`` are the asks to which the answer is known, be it that it may not be read. ``restarts`` are the counts
    that containers had when the wait began, by uid of the pod and name. ``used`` is what the pods of a node request. A
    storage class that does not exist is None.
    """

    events: t.Sequence[Object] = ()
    nodes: t.Sequence[Object] = ()
    logs: t.Mapping[Ask, tuple[str, ...]] = field(default_factory=dict)
    classes: t.Mapping[str, Object | None] = field(default_factory=dict)
    exists: t.Mapping[Ask, bool] = field(default_factory=dict)
    used: t.Mapping[str, t.Mapping[str, float]] = field(default_factory=dict)
    restarts: t.Mapping[tuple[str, str], int] = field(default_factory=dict)
    answered: frozenset[Ask] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """What a trouble is called, and how bad it is.

    ``patience`` are the seconds that it must stand before it counts as fatal, None if it never does by itself. Without
    a code it is a suspicion alone: worth a look, and no cause.
    """

    code: str
    hint: str = ""
    recoverable: bool = True
    patience: float | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong with one object.

    :param key: what makes it the same trouble in the next view.
    :param what: a summary that names no pod, so that the same trouble of several pods is told once.
    :param lines: the evidence. :param asks: what is worth reading once it has stood for ``after`` seconds.
    :param log: a log that is worth reading if this trouble leads.
    """

    key: t.Hashable
    rule: Rule
    what: str = ""
    lines: tuple[str, ...] = ()
    asks: tuple[Ask, ...] = ()
    after: float = 0.0
    log: Ask | None = None


def settling(key: str) -> Trouble:
    """Return what holds a verdict back for a moment, after which a silent controller had nothing to say or do."""
    return Trouble((key,), Rule(""), after=2.0)


def condition(obj: Object, kind: str) -> Object:
    """Return the condition of that type, or an empty one."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((entry for entry in conditions if entry.get("type") == kind), {})


def container_statuses(pod: Object) -> list[Object]:
    """Return the status of each container, those that initialise first."""
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def restart_counts(objects: t.Iterable[Object]) -> dict[tuple[str, str], int]:
    """Return how often each container of the pods among some objects was started again, by uid of the pod and name."""
    return {
        (pod["metadata"]["uid"], status["name"]): int(status.get("restartCount", 0))
        for pod in objects
        for status in container_statuses(pod)
    }


def _gravest(troubles: t.Iterable[Trouble]) -> list[Trouble]:
    """Return those of the gravest kind: what cannot come right, then what can be fatal, then what most suffer from."""
    groups: dict[tuple[str, str], list[Trouble]] = {}
    for trouble in troubles:
        if trouble.rule.code:
            groups.setdefault((trouble.rule.code, trouble.what), []).append(trouble)

    def rank(group: list[Trouble]) -> tuple[bool, bool, int]:
        rule = group[0].rule
        return rule.recoverable, rule.patience is None, -len(group)

    return min(groups.values(), key=rank, default=[])


def lead(troubles: t.Iterable[Trouble]) -> Trouble | None:
    """Return the trouble that stands for all others, None if there are only suspicions."""
    return next(iter(_gravest(troubles)), None)


def cause_from(troubles: t.Iterable[Trouble]) -> Cause | None:
    """Return the cause that the gravest of some troubles are."""
    group = _gravest(troubles)
    if not group:
        return None
    first = group[0]
    shared = f" ({len(group)} pods)" if len(group) > 1 else ""
    rule = first.rule
    return Cause(rule.code, f"{first.what}{shared}", first.lines[:_MOST_LINES], rule.recoverable, rule.hint)


def explain(cause: Cause, *, of: str = "") -> str:
    """Return a cause as text that a person can act on: what is wrong, what shows it, what to do; at most 12 lines.

    :param of: the object, as ``Deployment demo in namespace clusters``.
    """
    head = ": ".join(filter(None, (of, cause.summary)))
    evidence = [row for line in cause.evidence for row in _wrapped(line)][:_MOST_LINES]
    hint = [f"What to do: {cause.hint}"] if cause.hint else []
    return "\n".join([head, *evidence, *hint])


def _wrapped(line: str) -> list[str]:
    """Return a line of evidence as some that fit; of a long one the middle is left out, for its end says why."""
    line, half = " ".join(line.split()), _LONGEST // 2
    if len(line) > _LONGEST:
        line = f"{line[:half].rstrip()} ... {line[-half:].lstrip()}"
    return textwrap.wrap(line, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
