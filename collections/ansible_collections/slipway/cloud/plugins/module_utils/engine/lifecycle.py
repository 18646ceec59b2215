# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations on any number of objects: check all, change all with bounded concurrency, then one wait for the whole set.

Whatever is wrong before the first change is raised, all of it at once. After that nothing is raised any more: each
object has its Result, with a cause where it failed.
"""

from __future__ import annotations

import concurrent.futures
import time
import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from . import apply as writes
from .diagnosis import Cause
from .errors import EngineError
from .progress import Event, Listener, Stage, ignore
from .readiness import FailFast, Judge, State, Target, Verdict, failing_fast, gone, ready
from .reflector import Selection, revision
from .resources import INSTANCE, MANAGED_BY, POD, REPLICA_SET, Object, Resource, object_key, resource_of
from .tracker import Outcome, Tracker

if t.TYPE_CHECKING:
    from .client import Client

IDENTITY = (MANAGED_BY, INSTANCE)  # labels that an object shares with all that it controls, for good

_RESTART_MANAGER = "slipway-restart"  # not ours, else the next apply would take the annotation away: one more restart
_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_DESCENDANTS: dict[str, tuple[Resource, ...]] = {"Deployment": (REPLICA_SET, POD)}
_SHARED_ERRORS = ("api_unreachable", "unauthorized", "forbidden", "namespace_missing", "namespace_terminating")
_MAX_SELECTOR_VALUES = 40  # beyond that a URL grows too long: the stream then shows all that is ours

Action = t.Literal["created", "changed", "unchanged", "deleted", "absent", "restarted", "scaled", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to carry out an operation. Times in seconds; ``timeout`` is that of the whole operation."""

    wait: bool = True
    timeout: float = 300.0
    concurrency: int = 8
    fail_fast: FailFast = "unrecoverable"
    dry_run: bool = False
    listener: Listener = ignore
    inactivity: float = 70.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one object. ``phases`` are seconds since the operation began; ``cause`` is None if all is well.

    ``before`` and ``after`` are the objects less what the server writes; empty where there is none.
    """

    kind: str
    namespace: str
    name: str
    action: Action
    uid: str = ""
    generation: int = 0
    replicas: int | None = None
    phases: dict[str, float] = field(default_factory=dict)
    cause: Cause | None = None
    before: Object = field(default_factory=dict)
    after: Object = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether the operation changed the object, or would have in a dry run."""
        return self.action not in ("unchanged", "absent", "none")


@dataclass(slots=True)
class _Job:
    """One object on its way through an operation."""

    obj: Object
    current: Object | None = None
    preview: Object | None = None  # what a dry run of the write returned
    written: Object | None = None
    written_at: float = 0.0
    wait: concurrent.futures.Future[Outcome] | None = None
    outcome: Outcome | None = None
    error: EngineError | None = None


Step = t.Callable[[_Job], None]


def selector(objects: t.Iterable[Object]) -> str:
    """Return the label selector that shows these objects and what they control, and little else."""
    labels = [obj["metadata"].get("labels") or {} for obj in objects]
    terms = []
    for key in IDENTITY:
        values = sorted({each.get(key, "") for each in labels})
        if "" in values:
            return ""
        if len(values) == 1:
            terms.append(f"{key}={values[0]}")
        elif len(values) <= _MAX_SELECTOR_VALUES:
            terms.append(f"{key} in ({','.join(values)})")
    return ",".join(terms)


def selections(objects: t.Sequence[Object]) -> list[Selection]:
    """Return the streams that these objects need: one for each namespace and kind."""
    groups: dict[tuple[Resource, str], list[Object]] = {}
    for obj in objects:
        groups.setdefault((resource_of(obj), obj["metadata"]["namespace"]), []).append(obj)
    return [
        Selection(kind, namespace, selector(members))
        for (resource, namespace), members in groups.items()
        for kind in (resource, *_DESCENDANTS[resource.kind])
    ]


class _Run:
    """One operation: its clock, its streams, its workers and its jobs."""

    def __init__(self, client: Client, objects: t.Sequence[Object], options: Options) -> None:
        self.client = client
        self.options = options
        self.jobs = [_Job(obj) for obj in objects]
        self.start = time.monotonic()
        self.deadline = self.start + options.timeout
        self._seen: dict[str, tuple[str, ...]] = {}
        self._workers = concurrent.futures.ThreadPoolExecutor(options.concurrency)
        watched = selections(objects) if options.wait and not options.dry_run else []
        self.tracker = Tracker(client, watched, watcher=self._watched, inactivity=options.inactivity)

    def __enter__(self) -> _Run:
        self.tracker.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._workers.shutdown()
        self.tracker.__exit__(*exc_info)

    def each(self, step: Step) -> None:
        """Take every job one step further, some at a time; one that has failed stays where it is, with its error."""

        def guarded(job: _Job) -> None:
            try:
                step(job)
            except EngineError as error:
                job.error = error

        list(self._workers.map(guarded, [job for job in self.jobs if not job.error]))

    def demand(self) -> None:
        """Raise what is wrong with any job; for as long as nothing has been changed."""
        errors = [job.error for job in self.jobs if job.error]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise EngineError(_joined(errors), code=errors[0].code)

    def read(self) -> None:
        """Read every object; one that is not ours stops the run."""

        def step(job: _Job) -> None:
            namespace, name = object_key(job.obj)
            job.current = writes.read(self.client, resource_of(job.obj), namespace, name)
            if job.current is not None:
                writes.require_ours(job.current)

        self.each(step)
        self.demand()
        self.tracker.wait_synced(self.deadline)

    def carry_out(self, write: t.Callable[[_Job], Object | None], judge: Judge) -> None:
        """Change every object for which there is something to do, then wait until all are judged or the time is up."""

        def step(job: _Job) -> None:
            job.written = write(job)
            if job.written is None:
                return
            job.written_at = time.monotonic()
            target = target_of(job.written)
            self._tell("applied", target, message="accepted by the API server")
            if self.options.wait:
                job.wait = self.tracker.expect(target, judge)

        self.each(step)
        waits = [job.wait for job in self.jobs if job.wait]
        concurrent.futures.wait(waits, timeout=self.remaining)
        for job in self.jobs:
            if job.wait:
                self._settle(job, job.wait)

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, not less than 0."""
        return max(0.0, self.deadline - time.monotonic())

    def _settle(self, job: _Job, wait: concurrent.futures.Future[Outcome]) -> None:
        try:
            job.outcome = wait.result() if wait.done() else self.tracker.abandon(wait)
        except EngineError as error:
            job.error = error

    def result(self, job: _Job, action: Action) -> Result:
        """Return what became of a job."""
        namespace, name = object_key(job.obj)
        after = job.written or job.preview
        state = after or job.current or {"metadata": {}}
        phases = dict(job.outcome.reached) if job.outcome else {}
        if job.written:
            phases = {"applied": job.written_at, **phases}
        return Result(
            kind=job.obj["kind"],
            namespace=namespace,
            name=name,
            action="none" if job.error and not job.written else action,
            uid=state["metadata"].get("uid", ""),
            generation=state["metadata"].get("generation", 0),
            replicas=state.get("spec", {}).get("replicas"),
            phases={stage: round(at - self.start, 3) for stage, at in phases.items()},
            cause=self._cause(job),
            before=writes.cleaned(job.current),
            after={} if action == "deleted" else writes.cleaned(after),
        )

    def _cause(self, job: _Job) -> Cause | None:
        if job.error:
            return Cause(job.error.code, str(job.error), recoverable=False)
        verdict = job.outcome.verdict if job.outcome else None
        if verdict is None or verdict.state is State.DONE:
            return None
        known = verdict.cause or Cause("deadline_exceeded", "")
        if verdict.state is State.FAILED:
            return known
        parts = [f"not done after {self.options.timeout:g} s", verdict.summary, known.summary]
        return replace(known, summary=": ".join(filter(None, (parts[0], "; ".join(filter(None, parts[1:]))))))

    def _watched(self, target: Target, verdict: Verdict) -> None:
        """Tell the listener about a change of a verdict: the stages newly reached, else how it stands."""
        known = self._seen.get(target.uid, ())
        self._seen[target.uid] = verdict.reached
        stages = [stage for stage in verdict.reached if stage not in known]
        if verdict.state is State.FAILED:
            stages = ["failed"]
        for stage in stages or ["waiting"]:
            message = (verdict.cause and verdict.cause.summary) or verdict.summary
            self._tell(t.cast("Stage", stage), target, message=message, counts=verdict.counts)

    def _tell(self, stage: Stage, target: Target, *, message: str, counts: dict[str, int] | None = None) -> None:
        event = Event(
            stage=stage,
            kind=target.resource.kind,
            namespace=target.namespace,
            name=target.name,
            message=message,
            elapsed=time.monotonic() - self.start,
            counts=counts or {},
        )
        self.options.listener(event)


def _joined(errors: t.Sequence[EngineError]) -> str:
    """Return the message of several errors; one that befalls whole namespaces or users is told once."""
    groups: dict[str, list[EngineError]] = {}
    for error in errors:
        groups.setdefault(error.code if error.code in _SHARED_ERRORS else str(error), []).append(error)
    more = " The same goes for {} more."
    return " ".join(f"{group[0]}{more.format(len(group) - 1) if len(group) > 1 else ''}" for group in groups.values())


def target_of(obj: Object) -> Target:
    """Return what to wait for after a write that left the object like this."""
    namespace, name = object_key(obj)
    meta = obj["metadata"]
    return Target(resource_of(obj), namespace, name, meta["uid"], meta.get("generation", 0), revision(obj))


def ensure_present(client: Client, objects: t.Sequence[Object], options: Options | None = None) -> list[Result]:
    """Make all objects exist as declared, and wait until all are ready; results in the order of ``objects``.

    :param objects: whole manifests with namespace, name and our labels; ``spec.replicas`` may be left out, which keeps
        the present number.
    :raises EngineError: for whatever is wrong before anything was changed.
    """
    options = options or Options()
    with _Run(client, objects, options) as run:
        run.read()
        for job in run.jobs:
            job.obj = writes.keep_replicas(job.obj, job.current)

        def rehearse(job: _Job) -> None:
            job.preview = writes.apply(client, job.obj, dry_run=True)

        if options.dry_run or len(run.jobs) > 1:  # one apply is all or nothing by itself
            run.each(rehearse)
            run.demand()
        if not options.dry_run:
            run.carry_out(lambda job: _apply(run, job), failing_fast(ready, options.fail_fast))
        return [run.result(job, _difference(job)) for job in run.jobs]


def _apply(run: _Run, job: _Job) -> Object:
    """Apply one object; one of the same name that is being deleted must be gone first."""
    if job.current and job.current["metadata"].get("deletionTimestamp"):
        if not run.options.wait:
            raise EngineError(f"{target_of(job.current)} is still being deleted; apply with wait.", code="terminating")
        wait = run.tracker.expect(target_of(job.current), gone)
        concurrent.futures.wait([wait], timeout=run.remaining)
        verdict = run.tracker.abandon(wait).verdict
        if verdict.state is not State.DONE:
            what = f"{target_of(job.current)} is still being deleted"
            raise EngineError(f"{what}: {verdict.summary}.", code="terminating")
    return writes.apply(run.client, job.obj)


def _difference(job: _Job) -> Action:
    if job.current is None or job.current["metadata"].get("deletionTimestamp"):
        return "created"
    return "unchanged" if writes.cleaned(job.current) == writes.cleaned(job.written or job.preview) else "changed"


def ensure_absent(client: Client, objects: t.Sequence[Object], options: Options | None = None) -> list[Result]:
    """Delete all objects that exist, and wait until they and everything they control are gone.

    :param objects: manifests, of which kind, namespace, name and labels are read.
    :raises EngineError: for whatever is wrong before anything was changed, an object that is not ours among it.
    """
    options = options or Options()
    with _Run(client, objects, options) as run:
        run.read()
        if not options.dry_run:
            run.carry_out(lambda job: writes.delete(client, job.current) if job.current else None, gone)
        return [run.result(job, "deleted" if job.current else "absent") for job in run.jobs]


def restart(client: Client, objects: t.Sequence[Object], options: Options | None = None) -> list[Result]:
    """Replace all pods of existing objects by their own strategy, and wait until all are ready.

    :param objects: manifests, of which kind, namespace, name and labels are read.
    :raises EngineError: for whatever is wrong before anything was changed, a missing object among it.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    annotation = {"template": {"metadata": {"annotations": {_RESTARTED_AT: now}}}}

    def write(job: _Job) -> Object:
        current = _existing(job)
        meta = {key: current["metadata"][key] for key in ("name", "namespace", "uid")}
        obj = {"apiVersion": job.obj["apiVersion"], "kind": job.obj["kind"], "metadata": meta, "spec": annotation}
        return writes.apply(client, obj, manager=_RESTART_MANAGER)

    return _modify(client, objects, options or Options(), write, action="restarted")


def scale(client: Client, objects: t.Sequence[Object], replicas: int, options: Options | None = None) -> list[Result]:
    """Give existing objects another number of replicas, and wait until exactly those are ready.

    :param objects: manifests, of which kind, namespace, name and labels are read.
    :raises EngineError: for whatever is wrong before anything was changed, a missing object among it.
    """

    def write(job: _Job) -> Object:
        return writes.patch(client, _existing(job), {"spec": {"replicas": replicas}})

    return _modify(client, objects, options or Options(), write, action="scaled")


def _existing(job: _Job) -> Object:
    if job.current is None:
        raise EngineError(f"{job.obj['kind']} {object_key(job.obj)[1]} does not exist.", code="not_found")
    return job.current


def _modify(
    client: Client,
    objects: t.Sequence[Object],
    options: Options,
    write: t.Callable[[_Job], Object],
    *,
    action: Action,
) -> list[Result]:
    """Change objects that must exist, each by one write."""
    with _Run(client, objects, options) as run:
        run.read()
        run.each(lambda job: t.cast("None", _existing(job)))
        run.demand()
        if not options.dry_run:
            run.carry_out(write, failing_fast(ready, options.fail_fast))
        return [run.result(job, action) for job in run.jobs]
