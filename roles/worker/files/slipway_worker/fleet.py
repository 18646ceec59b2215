"""What the worker sees: the streams of its namespaces, which are kept up for as long as it runs, and the waits on them.

Each namespace has a tracker of its own, so that one that does not exist yet, or may not be read, is no matter to the
others. Where a stream gives up, a new tracker takes over what was waited for.
"""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import time
import typing as t
from concurrent.futures import Future
from dataclasses import dataclass, field

from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import ApiError, EngineError
from ansible_collections.slipway.cloud.plugins.module_utils.engine.reflector import Reflector, Selection
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import (
    DEPLOYMENT,
    MANAGED_BY,
    OURS,
    POD,
    REPLICA_SET,
    Object,
    Resource,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.tracker import Observer, Outcome, Tracker
from ansible_collections.slipway.cloud.plugins.module_utils.engine.verdict import Judge, State, Target, Verdict

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import Client

log = logging.getLogger(__name__)

RESOURCE_QUOTA = Resource("v1", "ResourceQuota", "resourcequotas", has_status=True)
WATCHED = (DEPLOYMENT, REPLICA_SET, POD, RESOURCE_QUOTA)
StreamKey = tuple[str, str]
"""The plural of a resource, and a namespace."""

_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds before the next tracker of a namespace
_FAILING = 3.0  # seconds of attempts without success after which a stream counts as down

_UNSEEN = Verdict(State.PENDING, "the worker has no view of the namespace yet")


def selections(namespace: str) -> list[Selection]:
    """Return what is watched of a namespace: our objects, and every quota."""
    ours = f"{MANAGED_BY}={OURS}"
    return [Selection(each, namespace, "" if each is RESOURCE_QUOTA else ours) for each in WATCHED]


@dataclass(slots=True, eq=False)
class _Wait:
    """A wait that outlives trackers. ``inner`` is the present tracker's."""

    target: Target
    judge: Judge
    observer: Observer | None
    future: Future[Outcome] = field(default_factory=Future)
    inner: Future[Outcome] | None = None


class Station:
    """One namespace: a tracker at a time, and the thread that sees to there being one."""

    def __init__(self, client: Client, namespace: str, inactivity: float) -> None:
        self.namespace = namespace
        self.refusal: EngineError | None = None  # why there is no view of the namespace
        self._client = client
        self._inactivity = inactivity
        self._lock = threading.Lock()
        self._waits: dict[Future[Outcome], _Wait] = {}
        self._tracker: Tracker | None = None  # once it is synced
        self._streams: list[Reflector] = []
        self._restarts = dict.fromkeys((each.plural for each in WATCHED), 0)
        self._heard = time.monotonic()
        self._stopped: Future[None] = Future()
        self._thread = threading.Thread(target=self._keep, name=f"fleet {namespace}", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End, and with it all threads."""
        self._stopped.set_result(None)

    def join(self) -> None:
        """Return when all threads have ended."""
        self._thread.join()

    def _new(self) -> Tracker:
        return Tracker(
            self._client,
            selections(self.namespace),
            watcher=lambda _target, _verdict: None,
            warner=lambda selection, message: log.warning("%s: %s", selection.action, message),
            inactivity=self._inactivity,
        )

    def _keep(self) -> None:
        """Run one tracker after the other until the end."""
        failures = 0
        while not self._stopped.done():
            tracker = self._new()
            self._streams = tracker.streams
            with tracker:
                self._first(tracker.synced, tracker.broken)
                if tracker.synced.done() and not tracker.broken.done():
                    failures = 0
                    self._take_over(tracker)
                    self._first(tracker.broken)
                self._leave(tracker)
            if tracker.broken.done():
                concurrent.futures.wait([self._stopped], timeout=_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1

    def _first(self, *futures: Future[None]) -> None:
        """Return when the first of some futures is done, or all is over."""
        concurrent.futures.wait([self._stopped, *futures], return_when=concurrent.futures.FIRST_COMPLETED)

    def _take_over(self, tracker: Tracker) -> None:
        """Have a tracker judge whatever is waited for."""
        with self._lock:
            self.refusal = None
            self._tracker = tracker
            waits = list(self._waits.values())
            for wait in waits:
                wait.inner = tracker.expect(wait.target, wait.judge, wait.observer)
        for wait in waits:
            self._follow(wait)

    def _leave(self, tracker: Tracker) -> None:
        """Note how a tracker has ended; its waits stay."""
        with self._lock:
            self._tracker = None
            self._heard = max(stream.heard for stream in tracker.streams)
            for stream in tracker.streams:
                self._restarts[stream.selection.resource.plural] += stream.interruptions + tracker.broken.done()
                stream.interruptions = 0
            if tracker.broken.done():
                self.refusal = t.cast("EngineError", tracker.broken.exception())
                self._heard = time.monotonic() if isinstance(self.refusal, ApiError) else self._heard
                log.warning("Begin anew to watch namespace %s: %s", self.namespace, self.refusal)

    def expect(self, target: Target, judge: Judge, observer: Observer | None = None) -> Future[Outcome]:
        """See Tracker.expect(); it goes on for as long as it takes to see the target."""
        wait = _Wait(target, judge, observer)
        wait.future.set_running_or_notify_cancel()  # from now on it cannot be cancelled, only abandoned
        with self._lock:
            self._waits[wait.future] = wait
            if self._tracker:
                wait.inner = self._tracker.expect(target, judge, observer)
        self._follow(wait)
        return wait.future

    def _follow(self, wait: _Wait) -> None:
        if wait.inner:
            wait.inner.add_done_callback(lambda inner: self._settle(wait, inner))

    def _settle(self, wait: _Wait, inner: Future[Outcome]) -> None:
        """Hand on how a wait ended; with its tracker it does not."""
        if inner.exception() is None and self._forget(wait.future):
            wait.future.set_result(inner.result())

    def _forget(self, future: Future[Outcome]) -> _Wait | None:
        with self._lock:
            return self._waits.pop(future, None)

    def abandon(self, future: Future[Outcome]) -> Outcome:
        """Stop waiting and resolve the future by how the target stands, unless it has been resolved; return that."""
        wait = self._forget(future)
        if wait:
            future.set_result(self._as_it_stands(wait))
        return future.result()

    def _as_it_stands(self, wait: _Wait) -> Outcome:
        with self._lock:
            if self._tracker and wait.inner and not self._tracker.broken.done():
                return self._tracker.abandon(wait.inner)
        return Outcome(wait.target, _UNSEEN, {})

    def seen(self, resource: Resource) -> dict[tuple[str, str], Object]:
        """Return all objects of a kind as they were last seen, by namespace and name."""
        found = (each.store.objects for each in self._streams if each.selection.resource == resource)
        return next(found, {})

    @property
    def synced(self) -> bool:
        """Whether all streams show what there is."""
        return self._tracker is not None

    @property
    def settled(self) -> bool:
        """Whether it is known what there is, or that it may not be known."""
        return self.synced or self.refusal is not None

    @property
    def fresh(self) -> bool:
        """Whether the API server is there, as far as the streams can tell."""
        now = time.monotonic()
        if self.refusal:
            return isinstance(self.refusal, ApiError) and now - self._heard < 2 * self._inactivity
        return all(
            now - stream.heard < 2 * self._inactivity and now - (stream.failing_since or now) < _FAILING
            for stream in self._streams
        )

    def ages(self) -> dict[StreamKey, float]:
        """Return the seconds since each stream was last heard of."""
        now = time.monotonic()
        return {(each.selection.resource.plural, self.namespace): now - each.heard for each in self._streams}

    def restarts(self) -> dict[StreamKey, int]:
        """Return how often each stream broke off."""
        now = {each.selection.resource.plural: each.interruptions for each in self._streams}
        return {(plural, self.namespace): count + now.get(plural, 0) for plural, count in self._restarts.items()}


class Fleet:
    """All namespaces. Use it as a context manager: leaving it ends all threads. Thread-safe.

    :param inactivity: see Reflector.
    """

    def __init__(self, client: Client, namespaces: t.Iterable[str], *, inactivity: float = 70.0) -> None:
        self._stations = {each: Station(client, each, inactivity) for each in namespaces}

    def __enter__(self) -> t.Self:
        for station in self._stations.values():
            station.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        for station in self._stations.values():
            station.stop()
        for station in self._stations.values():
            station.join()

    @property
    def synced(self) -> bool:
        """Whether there is a view of all namespaces but those of which there may be none, and of one at least."""
        stations = self._stations.values()
        return all(each.settled for each in stations) and any(each.synced for each in stations)

    @property
    def fresh(self) -> bool:
        """Whether the API server is there, as far as the streams can tell: the view is not out of date."""
        return all(each.fresh for each in self._stations.values())

    def ages(self) -> dict[StreamKey, float]:
        """Return the seconds since each stream was last heard of."""
        return {key: age for each in self._stations.values() for key, age in each.ages().items()}

    def restarts(self) -> dict[StreamKey, int]:
        """Return how often each stream broke off."""
        return {key: count for each in self._stations.values() for key, count in each.restarts().items()}

    def refusal(self, namespace: str) -> EngineError | None:
        """Return why a namespace cannot be watched, None if it can."""
        return self._stations[namespace].refusal

    def expect(self, target: Target, judge: Judge, observer: Observer | None = None) -> Future[Outcome]:
        """Return a future of when ``judge`` finds the target done or failed; see Tracker.expect().

        It never fails: what cannot be seen is waited for until it can.
        """
        return self._stations[target.namespace].expect(target, judge, observer)

    def abandon(self, target: Target, future: Future[Outcome]) -> Outcome:
        """Stop waiting and return how the target stands, or how the wait ended meanwhile."""
        return self._stations[target.namespace].abandon(future)

    def verdict(self, target: Target, judge: Judge) -> Verdict:
        """Judge a target as it was last seen."""
        return self.abandon(target, self.expect(target, judge)).verdict

    def find(self, target: Target) -> Object | None:
        """Return what has the name of a target, as it was last seen."""
        return self._stations[target.namespace].seen(target.resource).get((target.namespace, target.name))

    def quotas(self, namespace: str) -> list[Object]:
        """Return the quotas of a namespace, as they were last seen."""
        return list(self._stations[namespace].seen(RESOURCE_QUOTA).copy().values())
