# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache behind all waits: joins the streams, keeps who controls whom, and resolves a future for each target.

Streams are per selection, not per object: 500 Deployments of one namespace are watched by the same three as one.
"""

from __future__ import annotations

import math
import threading
import time
import typing as t
from concurrent.futures import Future
from dataclasses import dataclass, field

from .diagnosis import restart_counts
from .errors import EngineError, UnreachableError
from .inspector import Inspector
from .reflector import DELETED, Change, Reflector, Selection
from .resources import Object, controller_uid, object_key
from .verdict import Judge, State, Target, Verdict, View

if t.TYPE_CHECKING:
    from .client import Client

Watcher = t.Callable[[Target, Verdict], None]
Observer = t.Callable[[View, Verdict], None]
"""Is told each change of the verdict on one target; quick, and without calling back, for the tracker holds its lock."""
Warner = t.Callable[[Selection, str], None]
Clock = t.Callable[[], float]
"""Returns seconds that never go back."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a wait ended. ``reached`` maps each stage to the time of the clock when it was first seen."""

    target: Target
    verdict: Verdict
    reached: dict[str, float]


@dataclass(slots=True)
class _Wait:
    target: Target
    judge: Judge
    observer: Observer | None  # with one the wait is never decided
    restarts: t.Mapping[tuple[str, str], int]  # of the containers that were there before: their past is no cause
    future: Future[Outcome] = field(default_factory=Future)
    verdict: Verdict = field(default_factory=lambda: Verdict(State.PENDING, "not seen yet"))
    reached: dict[str, float] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.target, self.verdict, dict(self.reached))


class Family:
    """Who controls whom, by uid. A deleted parent keeps its place until its children are gone too."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._children: dict[str, dict[str, Object | None]] = {}

    def take(self, change: Change) -> None:
        """Note an object as it is now, or that it is gone."""
        uid, parent = change.obj["metadata"]["uid"], controller_uid(change.obj)
        if parent is None:
            return
        if change.kind != DELETED:
            self._parent[uid] = parent
            self._children.setdefault(parent, {})[uid] = change.obj
        elif uid in self._children.get(parent, ()):
            self._children[parent][uid] = None
            self._prune(uid)

    def _prune(self, uid: str) -> None:
        """Forget an object that is gone and has no children left, and then its parent likewise."""
        parent = self._parent.get(uid)
        if parent is None or self._children.get(uid) or self._children[parent][uid] is not None:
            return
        del self._parent[uid], self._children[parent][uid]
        if not self._children[parent]:
            del self._children[parent]
            self._prune(parent)

    def root(self, obj: Object) -> str:
        """Return the uid of the topmost known owner of an object, or its own."""
        uid = controller_uid(obj) or obj["metadata"]["uid"]
        while uid in self._parent:
            uid = self._parent[uid]
        return str(uid)

    def descendants(self, uid: str) -> list[Object]:
        """Return every living object that ``uid`` controls, directly or not."""
        found: list[Object] = []
        for child, obj in self._children.get(uid, {}).items():
            found += [obj] if obj is not None else []
            found += self.descendants(child)
        return found


class Tracker:
    """Runs the streams of a set of objects. Use it as a context manager: leaving it ends all threads.

    :param watcher: called with the target and its verdict at each change, in order, from the streams' threads. It must
        be quick and must not call back.
    :param warner: called with what the user should know of a stream that goes on.
    :param inactivity: see Reflector.
    :param clock: tells the time by which troubles last. Who brings one that does not run by itself calls tick() when it
        has moved on, and does not enter the tracker: that starts the threads.
    """

    def __init__(
        self,
        client: Client,
        selections: t.Iterable[Selection],
        *,
        watcher: Watcher,
        warner: Warner,
        inactivity: float = 70.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._streams = {
            (each.resource, each.namespace or ""): Reflector(
                client, each, report=self._take, give_up=self._abort, warn=self._warn, inactivity=inactivity
            )
            for each in selections
        }
        self._watcher = watcher
        self._warner = warner
        self._clock = clock
        self._inspector = Inspector(client, learned=self._learned, inactivity=inactivity)
        self._family = Family()
        self._waits: dict[Future[Outcome], _Wait] = {}
        self._index: dict[t.Hashable, dict[Future[Outcome], _Wait]] = {}  # by uid; by resource, namespace and name
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._sooner = threading.Condition(lock)  # the next tick is due before the one that the timekeeper sleeps until
        self._alarm = math.inf
        self._timekeeper: threading.Thread | None = None
        self._running = False
        self._error: EngineError | None = None
        self.synced: Future[None] = Future()  # resolved once every stream has its first list
        self.broken: Future[None] = Future()  # fails with the error of a stream that gave up

    def __enter__(self) -> Tracker:
        self._running = True
        for stream in self._streams.values():
            stream.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._changed:
            self._running = False
            self._sooner.notify()
        for stream in self._streams.values():
            stream.stop()
        self._inspector.close()
        for thread in (*self._streams.values(), self._timekeeper):
            if thread:
                thread.join()

    @property
    def streams(self) -> list[Reflector]:
        """The streams, in the order of their selections."""
        return list(self._streams.values())

    def hold(self) -> None:
        """Have the streams list, but not watch, and judge nothing before release(). Call it before entering."""
        for stream in self._streams.values():
            stream.hold()

    def release(self) -> None:
        """Have the streams list anew and watch; once all have listed, every wait is judged."""
        for stream in self._streams.values():
            stream.release()

    def wait_synced(self, deadline: float) -> None:
        """Wait until every stream has its first list. ``deadline`` is a time of the clock."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._error or all(stream.synced for stream in self._streams.values()),
                timeout=max(0.0, deadline - self._clock()),
            )
            if self._error:
                raise self._error
            missing = [resource.plural for (resource, _namespace), stream in self._streams.items() if not stream.synced]
        if missing:
            raise UnreachableError(f"The API server gave no list in time of: {', '.join(missing)}.")

    def expect(self, target: Target, judge: Judge, observer: Observer | None = None) -> Future[Outcome]:
        """Return a future that is resolved when ``judge`` finds the target done or failed.

        It may be resolved already: what the streams have shown since they began counts. With an ``observer``, who is
        told the first verdict and each one that differs, it is not: whatever is found, it may still change.
        """
        with self._changed:
            wait = _Wait(target, judge, observer, restart_counts(self._family.descendants(target.uid)))
            wait.future.set_running_or_notify_cancel()  # from now on it cannot be cancelled, only abandoned
            if self._error:
                wait.future.set_exception(self._error)
                return wait.future
            self._waits[wait.future] = wait
            for key in _index_keys(target):
                self._index.setdefault(key, {})[wait.future] = wait
            decided = self._evaluate(wait)
        _resolve([wait] if decided else [])
        return wait.future

    def abandon(self, future: Future[Outcome]) -> Outcome:
        """Stop waiting and return how the target stands, or how the wait ended meanwhile."""
        with self._changed:
            wait = self._waits.get(future)
            if wait:
                self._forget(wait)
        return wait.outcome if wait else future.result()

    def _forget(self, wait: _Wait) -> None:
        del self._waits[wait.future]
        for key in _index_keys(wait.target):
            del self._index[key][wait.future]
            if not self._index[key]:
                del self._index[key]

    def tick(self) -> None:
        """Judge anew what is due by now, because a trouble has stood for so long."""
        with self._changed:
            now = self._clock()
            due = [wait for wait in self._waits.values() if wait.verdict.due is not None and wait.verdict.due <= now]
            decided = [wait for wait in due if self._evaluate(wait)]
        _resolve(decided)

    def _keep_time(self) -> None:
        """Tick when the first verdict is due, until the end."""
        while self._running:
            self.tick()
            with self._changed:
                dues = (wait.verdict.due for wait in self._waits.values())
                self._alarm = min((due for due in dues if due is not None), default=math.inf)
                if self._running and self._alarm > self._clock():
                    self._sooner.wait(None if self._alarm == math.inf else self._alarm - self._clock())

    def _wake(self, due: float | None) -> None:
        """See to it that somebody ticks at that time."""
        if due is None or due >= self._alarm:
            return
        self._alarm = due
        self._sooner.notify()
        if self._timekeeper is None:
            self._timekeeper = threading.Thread(target=self._keep_time, name="timekeeper", daemon=True)
            self._timekeeper.start()

    def _learned(self) -> None:
        """Judge anew every wait that is in trouble: the inspector has found something."""
        with self._changed:
            concerned = [wait for wait in self._waits.values() if wait.verdict.asks]
            decided = [wait for wait in concerned if self._evaluate(wait)]
        _resolve(decided)

    def _take(self, stream: Reflector, changes: list[Change]) -> None:
        """Note what a stream brought and judge anew whatever it may concern."""
        with self._changed:
            # First, because the last child of a deleted parent takes with it who the grandparent was.
            roots = [self._family.root(change.obj) for change in changes]
            for change in changes:
                self._family.take(change)
            if not self.synced.done() and all(each.synced for each in self._streams.values()):
                self.synced.set_result(None)
            self._changed.notify_all()
            decided = [wait for wait in self._concerned(stream, changes, roots) if self._evaluate(wait)]
        _resolve(decided)

    def _concerned(self, stream: Reflector, changes: list[Change], roots: list[str]) -> list[_Wait]:
        """Return the waits that a batch of changes may decide; one without changes may decide any."""
        if not changes:
            return list(self._waits.values())
        names = [(stream.selection.resource, *object_key(change.obj)) for change in changes]
        concerned: dict[Future[Outcome], _Wait] = {}  # each once, and in an order that can be repeated
        for key in dict.fromkeys((*roots, *names)):
            concerned.update(self._index.get(key, {}))
        return list(concerned.values())

    def _evaluate(self, wait: _Wait) -> bool:
        """Judge one wait and note the stages it has newly reached; True if that decides it."""
        if any(stream.behind for stream in self._streams.values()):
            return False
        view = self._view(wait)
        before, wait.verdict = wait.verdict, wait.judge(view)
        for stage in wait.verdict.reached:
            wait.reached.setdefault(stage, view.now)
        if wait.verdict != before:
            self._watcher(wait.target, wait.verdict)
            if wait.observer:
                wait.observer(view, wait.verdict)
        if wait.verdict.state is State.PENDING or wait.observer:
            if self._running:
                self._inspector.ask(wait.verdict.asks)
                self._wake(wait.verdict.due)
            return False
        self._forget(wait)
        return True

    def _view(self, wait: _Wait) -> View:
        target = wait.target
        store = self._streams[target.resource, target.namespace].store
        settled = store.revision >= target.revision > 0
        descendants = self._family.descendants(target.uid)
        return View(
            target=target,
            obj=store.objects.get((target.namespace, target.name)),
            settled=settled,
            descendants=descendants,
            now=self._clock(),
            since=wait.verdict.since,
            evidence=self._inspector.evidence(target, descendants, wait.restarts),
        )

    def _warn(self, stream: Reflector, message: str) -> None:
        with self._changed:  # as the watcher: one at a time
            self._warner(stream.selection, message)

    def _abort(self, error: EngineError) -> None:
        """Fail every wait: without one of its streams none can be judged."""
        with self._changed:
            if self._error:  # another stream was the first
                return
            self._error = error
            futures = list(self._waits)
            self._waits.clear()
            self._index.clear()
            self._changed.notify_all()
        self.broken.set_exception(error)
        for future in futures:
            future.set_exception(error)


def _index_keys(target: Target) -> tuple[t.Hashable, ...]:
    return target.uid, (target.resource, target.namespace, target.name)


def _resolve(waits: list[_Wait]) -> None:
    """Hand out results, outside of the lock: whoever waits may call back at once."""
    for wait in waits:
        wait.future.set_result(wait.outcome)
