# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations on any number of objects: check all, change all with bounded concurrency, then one wait for the whole set.

Whatever is wrong before the first change is raised, all of it at once. After that nothing is raised any more: each
object has its Result, with a cause where it failed.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import threading
import time
import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from . import apply as writes
from .diagnosis import Cause
from .discovery import find
from .errors import EngineError, InvalidInputError, nearest
from .progress import Event, Listener, Milestone, Stage, ignore
from .readiness import gone, ready, takes_time
from .reflector import Backoff, Selection, revision
from .resources import (
    DEPLOYMENT,
    INSTANCE,
    JOB,
    MANAGED_BY,
    POD,
    REPLICA_SET,
    ROLLOUT,
    SELDON_DEPLOYMENT,
    Object,
    Resource,
    object_key,
    title,
)
from .tracker import Outcome, Tracker
from .verdict import FailFast, Judge, State, Target, Verdict, failing_fast
from .workloads import WORKLOADS, replicas_of, restarted

if t.TYPE_CHECKING:
    from .client import Client

FOUNDATION = ("Namespace", "CustomResourceDefinition")  # what others need to be there
IDENTITY = (MANAGED_BY, INSTANCE)  # labels that an object shares with all that it controls, for good

_RESTART_MANAGER = "slipway-restart"  # not ours, else the next apply would take the annotation away: one more restart
_DESCENDANTS: dict[tuple[str, str], tuple[Resource, ...]] = {
    ("apps", "Deployment"): (REPLICA_SET, POD),
    ("apps", "ReplicaSet"): (POD,),
    ("apps", "StatefulSet"): (POD,),
    ("apps", "DaemonSet"): (POD,),
    ("batch", "Job"): (POD,),
    ("batch", "CronJob"): (JOB, POD),
    SELDON_DEPLOYMENT: (DEPLOYMENT, REPLICA_SET, POD),
    ROLLOUT: (REPLICA_SET, POD),
}
_SHARED_ERRORS = ("api_unreachable", "unauthorized", "forbidden", "namespace_missing", "namespace_terminating")
_HEAD_START = 5.0  # seconds at most for which many writes go on unwatched
_MAX_SELECTOR_VALUES = 40  # beyond that a URL grows too long: the stream then shows all that is ours

Foreign = t.Literal["refuse", "adopt", "skip"]
Action = t.Literal["created", "changed", "unchanged", "deleted", "absent", "restarted", "scaled", "none"]
"""What was done to an object, or would be; C(none) if it was not even tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to carry out an operation. Times in seconds, from its beginning; ``timeout`` is that of every object for
    which ``timeout_of`` names none of its own.

    ``ready`` judges what is to be ready. ``origin`` tells where an object was declared, as C(app.yaml, document 2), for
    messages. ``rehearsed`` tells that somebody has rehearsed the operation already. ``patience`` are seconds by code of
    a cause, where its rule's do not suit: an autoscaler may bring the node of a ``node_label_missing`` in a minute.

    ``foreign`` tells what becomes of objects that are not ours: one of them stops the operation, or all are taken over,
    or left alone; to delete them is refused. ``family_labels`` tells that what the objects control carries their
    identity labels too, as the pods of our clusters do: then only those are watched.
    """

    wait: bool = True
    timeout: float = 300.0
    concurrency: int = 8
    fail_fast: FailFast = "unrecoverable"
    dry_run: bool = False
    listener: Listener = ignore
    inactivity: float = 70.0
    foreign: Foreign = "refuse"
    family_labels: bool = True
    ready: Judge = ready
    timeout_of: t.Callable[[Object], float | None] = lambda _: None
    origin: t.Callable[[Object], str] = lambda _: ""
    rehearsed: bool = False
    patience: t.Mapping[str, float] = field(default_factory=dict)


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

    resource: Resource
    obj: Object
    origin: str
    timeout: float
    awaited: bool = False
    skipped: bool = False
    current: Object | None = None
    preview: Object | None = None  # what a dry run of the write returned
    written: Object | None = None
    written_at: float = 0.0
    wait: concurrent.futures.Future[Outcome] | None = None
    outcome: Outcome | None = None
    error: EngineError | None = None


Step = t.Callable[[_Job], object]
Write = t.Callable[[_Job, bool], "Object | None"]
"""Changes an object, or only has the server judge that if the second argument is true; None: nothing is to be done."""

_MILESTONES: dict[State, Milestone] = {State.PENDING: "", State.DONE: "took effect", State.FAILED: "failed"}


def selector(objects: t.Iterable[Object]) -> str:
    """Return the label selector that shows these objects and what they control, and little else."""
    labels = [obj["metadata"].get("labels") or {} for obj in objects]
    terms = []
    for key in IDENTITY:
        values = sorted({each.get(key, "") for each in labels})
        if "" in values:
            continue
        if len(values) == 1:
            terms.append(f"{key}={values[0]}")
        elif len(values) <= _MAX_SELECTOR_VALUES:
            terms.append(f"{key} in ({','.join(values)})")
    return ",".join(terms)


def selections(placed: t.Iterable[tuple[Resource, Object]], *, family_labels: bool = True) -> list[Selection]:
    """Return the streams that these objects need: one for each namespace and kind."""
    groups: dict[tuple[Resource, str], list[Object]] = {}
    for resource, obj in placed:
        namespace = object_key(obj)[0]
        groups.setdefault((resource, namespace), []).append(obj)
        for each in _DESCENDANTS.get((resource.group, resource.kind), ()):
            groups.setdefault((each, namespace), []).append(obj if family_labels else {"metadata": {}})
    return [_selection(kind, namespace, members) for (kind, namespace), members in groups.items()]


def _selection(kind: Resource, namespace: str, members: list[Object]) -> Selection:
    if len(members) == 1 and members[0].get("kind") == kind.kind:
        return Selection(kind, namespace or None, name=object_key(members[0])[1])
    return Selection(kind, namespace or None, selector(members))


def rank(resource: Resource) -> int:
    """Return when an object of this kind is applied: after what it may need to be there.

    First where others live and what defines them, then what pods refer to, then pods, then what a controller among
    them has to admit.
    """
    if resource.kind in FOUNDATION:
        return 0
    if not resource.built_in:
        return 3
    return 2 if resource.kind in WORKLOADS else 1


def _jobs(client: Client, objects: t.Sequence[Object], options: Options) -> list[_Job]:
    """Find the resource of each object, and complete its namespace. :raises InvalidInputError: for unknown kinds."""
    jobs, problems = [], []
    for obj in objects:
        resource, meta, origin = find(client, obj["apiVersion"], obj["kind"]), obj["metadata"], options.origin(obj)
        if resource is None:
            problems.append(_after(origin, f"{obj['kind']} {meta['name']}: {_unknown(client, obj)}"))
            continue
        timeout = options.timeout_of(obj)
        if resource.namespaced and not meta.get("namespace"):
            obj = {**obj, "metadata": {**meta, "namespace": client.namespace}}  # noqa: PLW2901  # the same, completed
        jobs.append(_Job(resource, obj, origin, options.timeout if timeout is None else timeout))
    if problems:
        raise InvalidInputError(problems)
    return jobs


def _unknown(client: Client, obj: Object) -> str:
    """Return what to do about a kind that the server does not have."""
    return misspelt(client, obj) or f"the server knows no {obj['kind']} of {obj['apiVersion']}; is its CRD installed?"


def misspelt(client: Client, obj: Object) -> str:
    """Return which kind was probably meant by one that the server does not have; empty if none is like it."""
    kind, version = obj["kind"], obj["apiVersion"]
    close = nearest(kind, [each for where, each in client.discovered if where == version])
    return f"the server knows no {kind} of {version}; did you mean {close}?" if close else ""


def _after(origin: str, text: str) -> str:
    """Return a message with the place that it is about before it."""
    return f"{origin}: {text}" if origin else text


class _Run:
    """One operation: its clock, its streams, its workers and its jobs."""

    def __init__(
        self,
        client: Client,
        objects: t.Sequence[Object],
        options: Options,
        *,
        awaited: t.Callable[[Resource], bool] = takes_time,
        writes: bool = True,
    ) -> None:
        self.client = client
        self.options = options
        self.jobs = _jobs(client, objects, options)
        self.start = time.monotonic()
        self._seen: dict[str, tuple[str, ...]] = {}
        self._workers = concurrent.futures.ThreadPoolExecutor(options.concurrency)
        waits = options.wait and not options.dry_run
        for job in self.jobs:
            job.awaited = waits and awaited(job.resource)
        placed = [(job.resource, job.obj) for job in self.jobs if job.awaited]
        streams = selections(placed, family_labels=options.family_labels)
        self.tracker = Tracker(
            client, streams, watcher=self._watched, warner=self._warned, inactivity=options.inactivity
        )
        # To follow many writes costs server and engine as much processor time as to make them. A Job may be gone again
        # soon after it is complete, so it is watched all along.
        if writes and len(self.jobs) > options.concurrency and not any(job.resource == JOB for job in self.jobs):
            self.tracker.hold()

    def __enter__(self) -> _Run:
        self.tracker.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._workers.shutdown()
        self.tracker.__exit__(*exc_info)

    def each(self, step: Step, jobs: t.Sequence[_Job] | None = None) -> None:
        """Take every job, or only ``jobs``, one step further, some at a time.

        One that has failed stays where it is, with its error.
        """

        def guarded(job: _Job) -> None:
            try:
                with self.client.until(self.start + job.timeout):
                    step(job)
            except EngineError as error:
                error.args = (_after(job.origin, str(error)),)
                job.error = error

        chosen = self.jobs if jobs is None else jobs
        list(self._workers.map(guarded, [job for job in chosen if not job.error and not job.skipped]))

    def demand(self) -> None:
        """Raise what is wrong with any job; for as long as nothing has been changed."""
        errors = [job.error for job in self.jobs if job.error]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise EngineError(_joined(errors), code=errors[0].code)

    def read(self) -> None:
        """Read every object; one that is not ours stops the run, or is skipped, unless it is to be adopted."""

        def step(job: _Job) -> None:
            namespace, name = object_key(job.obj)
            job.current = writes.read(self.client, job.resource, namespace, name)
            if job.current is None or self.options.foreign == "adopt" or writes.is_ours(job.current):
                return
            if self.options.foreign == "refuse":
                raise writes.not_ours(job.current)
            job.skipped = True

        self.each(step)
        self.demand()
        self.tracker.wait_synced(self.start + self.options.timeout)

    def rehearse(self, write: Write) -> None:
        """Have the server judge every write without keeping it. :raises EngineError: for whatever is wrong."""

        def step(job: _Job) -> None:
            try:
                job.preview = write(job, True)
            except EngineError as error:
                if error.code != "webhook_unavailable":  # it may come with what is applied here
                    raise

        self.each(step)
        self.demand()

    def carry_out(self, write: Write, judge: Judge) -> None:
        """Change every object that there is something to do for, then wait until all are judged or their time is up."""

        def step(job: _Job) -> None:
            job.written = self._admitted(write, job)
            if job.written is None:
                return
            job.written_at = time.monotonic()
            same = job.current is not None and revision(job.current) == revision(job.written) > 0
            message = "is as declared" if same else "accepted by the API server"
            self._tell("applied", target_of(job.resource, job.written), message=message, milestone="executed")
            self._expect(job, job.written, judge)

        with self._released_in_time():
            for _number, batch in itertools.groupby(sorted(self.jobs, key=_rank), key=_rank):
                self.each(step, list(batch))
        self._conclude()

    @contextlib.contextmanager
    def _released_in_time(self) -> t.Iterator[None]:
        """Release streams that are held when the writes take long: early enough to see in time what is ready."""
        least = min(map(self.remaining, self.jobs), default=0.0)
        late = threading.Timer(min(_HEAD_START, least / 4), self.tracker.release)
        late.daemon = True
        try:
            late.start()
            yield
        finally:
            late.cancel()

    def observe(self, judge: Judge) -> None:
        """Wait until all objects are judged as they are, or their time is up."""
        self.each(lambda job: self._expect(job, _existing(job), judge))
        self._conclude()

    def _expect(self, job: _Job, obj: Object, judge: Judge) -> None:
        target = target_of(job.resource, obj)
        if job.awaited:
            job.wait = self.tracker.expect(target, judge)
        elif self.options.wait:
            self._tell("available", target, message="", milestone="took effect")

    def _conclude(self) -> None:
        """Wait for every object, those whose time is up first before the others."""
        self.tracker.release()
        for job in sorted(self.jobs, key=lambda job: job.timeout):
            if job.wait:
                concurrent.futures.wait([job.wait], timeout=self.remaining(job))
                self._settle(job, job.wait)

    def _admitted(self, write: Write, job: _Job) -> Object | None:
        """Write as soon as the webhooks that have to be asked answer: no stream tells when that is."""
        backoff = Backoff()
        while True:
            try:
                return write(job, False)
            except EngineError as error:
                if error.code != "webhook_unavailable" or not (self.options.wait and self.remaining(job)):
                    raise
            time.sleep(min(backoff.next(), self.remaining(job)))

    def remaining(self, job: _Job) -> float:
        """Seconds until a job's time is up, not less than 0."""
        return max(0.0, self.start + job.timeout - time.monotonic())

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
            action="none" if job.skipped or (job.error and not job.written) else action,
            uid=state["metadata"].get("uid", ""),
            generation=state["metadata"].get("generation", 0),
            replicas=replicas_of({**job.obj, **state}),
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
        parts = [f"not done after {job.timeout:g} s", verdict.summary, known.summary]
        return replace(known, summary=": ".join(filter(None, (parts[0], "; ".join(filter(None, parts[1:]))))))

    def _watched(self, target: Target, verdict: Verdict) -> None:
        """Tell the listener about a change of a verdict: the stages newly reached, else how it stands."""
        known = self._seen.get(target.uid, ())
        self._seen[target.uid] = verdict.reached
        stages = [stage for stage in verdict.reached if stage not in known]
        if verdict.state is State.FAILED:
            stages = ["failed"]
        *passed, last = stages or ["waiting"]
        for stage in passed:
            self._tell(t.cast("Stage", stage), target, message="", counts=verdict.counts)
        if verdict.warning:
            self._tell("warning", target, message=verdict.warning)
        message = (verdict.cause and verdict.cause.summary) or verdict.summary
        milestone = _MILESTONES[verdict.state]
        self._tell(t.cast("Stage", last), target, message=message, milestone=milestone, counts=verdict.counts)

    def _warned(self, selection: Selection, message: str) -> None:
        """Tell the listener what is amiss with a stream; its target is the whole of what it shows."""
        self._tell("warning", Target(selection.resource, selection.namespace or "", "*"), message=message)

    def _tell(
        self,
        stage: Stage,
        target: Target,
        *,
        message: str,
        milestone: Milestone = "",
        counts: dict[str, int] | None = None,
    ) -> None:
        event = Event(
            stage=stage,
            milestone=milestone,
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


def _rank(job: _Job) -> int:
    return rank(job.resource)


def target_of(resource: Resource, obj: Object) -> Target:
    """Return what to wait for after a write that left the object like this."""
    namespace, name = object_key(obj)
    meta = obj["metadata"]
    return Target(resource, namespace, name, meta["uid"], meta.get("generation", 0), revision(obj))


def ensure_present(client: Client, objects: t.Sequence[Object], options: Options | None = None) -> list[Result]:
    """Make all objects exist as declared, and wait until all are ready; results in the order of ``objects``.

    :param objects: whole manifests with namespace, name and our labels; ``spec.replicas`` may be left out, which keeps
        the present number.
    :raises EngineError: for whatever is wrong before anything was changed.
    """
    with _Run(client, objects, options or Options()) as run:
        run.read()
        for job in run.jobs:
            job.obj = writes.keep_replicas(job.obj, job.current)

        def write(job: _Job, dry_run: bool) -> Object:
            if not dry_run:
                _await_end(run, job)
            return writes.apply(client, job.resource, job.obj, dry_run=dry_run)

        return _change(run, write, "changed")


def _change(run: _Run, write: Write, action: Action) -> list[Result]:
    """Rehearse and carry out what makes objects ready; ``action`` is what is done to one that is there and differs."""
    options = run.options
    if options.dry_run or (len(run.jobs) > 1 and not options.rehearsed):  # one write is all or nothing by itself
        run.rehearse(write)
    if not options.dry_run:
        run.carry_out(write, failing_fast(options.ready, options.fail_fast, options.patience))
    return [run.result(job, _difference(job, action)) for job in run.jobs]


def _await_end(run: _Run, job: _Job) -> None:
    """Wait for the end of an object of the same name that is being deleted."""
    if not (job.current and job.current["metadata"].get("deletionTimestamp")):
        return
    target = target_of(job.resource, job.current)
    if not job.awaited:
        raise EngineError(f"{target} is still being deleted; apply with wait.", code="terminating")
    run.tracker.release()
    wait = run.tracker.expect(target, gone)
    concurrent.futures.wait([wait], timeout=run.remaining(job))
    verdict = run.tracker.abandon(wait).verdict
    if verdict.state is not State.DONE:
        raise EngineError(f"{target} is still being deleted: {verdict.summary}.", code="terminating")


def _difference(job: _Job, action: Action) -> Action:
    if job.current is None or (job.current["metadata"].get("deletionTimestamp")):
        return "created"
    after = job.written or job.preview
    return action if after is None or writes.differs(job.current, after) else "unchanged"


def ensure_absent(client: Client, objects: t.Sequence[Object], options: Options | None = None) -> list[Result]:
    """Delete all objects that exist, and wait until they and everything they control are gone.

    :param objects: manifests, of which kind, namespace, name and labels are read.
    :raises EngineError: for whatever is wrong before anything was changed, an object that is not ours among it.
    """
    options = options or Options()
    if options.foreign == "adopt":
        options = replace(options, foreign="refuse")
    with _Run(client, objects, options, awaited=lambda _: True) as run:
        run.read()
        if not options.dry_run:
            run.carry_out(lambda job, _dry_run: _delete(client, job), gone)
        return [run.result(job, "deleted" if job.current else "absent") for job in run.jobs]


def _delete(client: Client, job: _Job) -> Object | None:
    """Delete one object if it exists; in the foreground, which takes longer, only what may control others."""
    if job.current is None:
        return None
    foreground = (job.resource.group, job.resource.kind) in _DESCENDANTS or not job.resource.built_in
    return writes.delete(client, job.resource, job.current, foreground=foreground)


def restart(client: Client, objects: t.Sequence[Object], options: Options | None = None) -> list[Result]:
    """Replace all pods of existing objects by their own strategy, and wait until all are ready.

    :param objects: manifests, of which kind, namespace, name and labels are read.
    :raises EngineError: for whatever is wrong before anything was changed, a missing object among it.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")

    def write(job: _Job, dry_run: bool) -> Object:
        current = _existing(job)
        meta = {key: current["metadata"][key] for key in ("name", "namespace", "uid")}
        kind = {key: job.obj[key] for key in ("apiVersion", "kind")}
        obj = {**kind, "metadata": meta, **restarted({**current, **kind}, now)}
        return writes.apply(client, job.resource, obj, manager=_RESTART_MANAGER, dry_run=dry_run)

    return _modify(client, objects, options, write, "restarted")


def scale(client: Client, objects: t.Sequence[Object], replicas: int, options: Options | None = None) -> list[Result]:
    """Give existing objects another number of replicas, and wait until exactly those are ready.

    :param objects: manifests, of which kind, namespace, name and labels are read.
    :raises EngineError: for whatever is wrong before anything was changed, a missing object among it.
    """

    def write(job: _Job, dry_run: bool) -> Object:
        return writes.scale(client, job.resource, _existing(job), replicas, dry_run=dry_run)

    return _modify(client, objects, options, write, "scaled")


def patch(client: Client, objects: t.Sequence[Object], changes: Object, options: Options | None = None) -> list[Result]:
    """Merge changes into existing objects, RFC 7386, and wait until all are ready.

    :param objects: manifests, of which kind, namespace, name and labels are read.
    :raises EngineError: for whatever is wrong before anything was changed, a missing object among it.
    """

    def write(job: _Job, dry_run: bool) -> Object:
        return writes.patch(client, job.resource, _existing(job), changes, dry_run=dry_run)

    return _modify(client, objects, options, write, "changed")


def await_ready(client: Client, objects: t.Sequence[Object], options: Options | None = None) -> list[Result]:
    """Wait until all objects are ready, whoever made them; nothing is changed.

    :param objects: manifests, of which kind, namespace, name and labels are read.
    :raises EngineError: if one of them does not exist, or cannot be looked at.
    """
    options = replace(options or Options(), foreign="adopt")
    with _Run(client, objects, options, writes=False) as run:
        run.read()
        run.each(_existing)
        run.demand()
        if not options.dry_run:
            run.observe(failing_fast(options.ready, options.fail_fast, options.patience))
        return [run.result(job, "unchanged") for job in run.jobs]


def inspect(client: Client, objects: t.Sequence[Object], options: Options | None = None) -> list[Verdict]:
    """Judge objects that exist as they are now, without waiting for them.

    :raises EngineError: if one of them is gone, or cannot be looked at.
    """
    options = replace(options or Options(), foreign="adopt")
    with _Run(client, objects, options, awaited=lambda _: True, writes=False) as run:
        run.read()
        run.demand()
        targets = [target_of(job.resource, _existing(job)) for job in run.jobs]
        return [run.tracker.abandon(run.tracker.expect(target, options.ready)).verdict for target in targets]


def _existing(job: _Job) -> Object:
    namespace, name = object_key(job.obj)
    if job.current is None:
        raise EngineError(f"{title(job.obj['kind'], name, namespace)} does not exist.", code="not_found")
    if job.current["metadata"].get("deletionTimestamp"):
        raise EngineError(f"{title(job.obj['kind'], name, namespace)} is being deleted.", code="terminating")
    return job.current


def _modify(
    client: Client, objects: t.Sequence[Object], options: Options | None, write: Write, action: Action
) -> list[Result]:
    """Change objects that must exist, each by one write."""
    with _Run(client, objects, options or Options()) as run:
        run.read()
        run.each(_existing)
        run.demand()
        return _change(run, write, action)
