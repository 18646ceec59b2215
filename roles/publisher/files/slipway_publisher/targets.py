"""Each store has a thread of its own, so that one that is away is no matter to the others.

A thread brings its store to what is wanted now, and tries again until it has: the entry of the history, the index, the
page, the table of contents, then what else of the history the store lacks. What was written is looked at every few
seconds: a store that lost it, or came back empty, is filled again.

Readers ask the first store, and the next one where that does not answer in time. So a store gets a state no sooner than
the one before it: who is sent on, and back, meets the states in their order.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
import typing as t
from dataclasses import dataclass, field

from . import listing
from .listing import INDEX, LATEST, ListingError, Snapshot
from .store import BucketMissingError, ConflictError, StoreError

if t.TYPE_CHECKING:
    from .journal import Journal
    from .metrics import Metrics
    from .store import Store

log = logging.getLogger(__name__)

LOOK = 4.0  # seconds between two looks at what was written
_PAUSES = (0.2, 0.5, 1.0, 2.0, 3.0)  # seconds before the next attempt
_IDLE = 10.0  # seconds between two reads, where another publisher leads
_PRUNE = 60.0  # seconds between two looks for what is too old
_AHEAD = 2.0  # seconds that a store waits for the one before it
_VERSIONS = 100  # former versions of a document that are kept, where the bucket is ours


class SupersededError(Exception):
    """The store has what another leader wrote after us."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a store is to have. Without a snapshot it is only read; without a page that stays as it is."""

    term: int
    snapshot: Snapshot | None = None
    page: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for all targets. ``may_write`` is asked before each write; ``higher`` is told of a generation that is
    above ours, and whether it was in the store before this term."""

    output: str
    count: int
    days: float
    may_write: t.Callable[[], bool]
    higher: t.Callable[[Snapshot, bool], None]
    done: t.Callable[[str, Snapshot], None]


@dataclass(slots=True)
class _Seen:
    """What is known of a store."""

    term: int
    tags: dict[str, str | None] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    index: Snapshot | None = None


class Target(threading.Thread):
    """One store."""

    def __init__(
        self, store: Store, journal: Journal, metrics: Metrics, rules: Rules, before: Target | None = None
    ) -> None:
        super().__init__(name=f"target {store.target.name}", daemon=True)
        self.store = store
        self.title = store.target.name
        self._journal = journal
        self._metrics = metrics
        self._rules = rules
        self._before = before
        self._wake = threading.Condition()
        self._job: Job | None = None
        self._stopped = False
        self._seen: _Seen | None = None
        self._atomic: bool | None = None
        self._said = ""  # the last error
        self._pruned = 0.0
        self._met = -1  # the term in which the store was last read
        self.tried = -1  # the term in which it was last asked
        self.found: Snapshot | None = None  # what the store had when it was last read
        self.published: Snapshot | None = None
        self.error: StoreError | None = None
        metrics.of_target(self.title)

    def assign(self, job: Job | None) -> None:
        """Give it something to do, instead of what it was given before; None: nothing."""
        with self._wake:
            self._job = job
            self._wake.notify_all()

    def stop(self) -> None:
        """End, once the request under way has ended."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()

    def has(self, generation: int, *, within: float) -> None:
        """Wait until the store has a state that is no older, or does not take any, or for so many seconds."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._stopped or self.error or (self.found and self.found.generation >= generation), within
            )

    def run(self) -> None:
        """Do what is assigned until the end."""
        last: Job | None = None
        failures = 0
        while (job := self._next(last, failures)) is not None:
            failures = 0 if self.attempt(job) else failures + 1
            last = job

    def _next(self, last: Job | None, failures: int) -> Job | None:
        """Return what to do: at once if that is new, else the same again after a while; None at the end."""
        deadline = time.monotonic() + _pause(last, failures)
        with self._wake:
            while not self._stopped:
                left = deadline - time.monotonic()
                if self._job is not None and (self._job is not last or left <= 0):
                    return self._job
                self._wake.wait(left if self._job is not None else None)
        return None

    def attempt(self, job: Job) -> bool:
        """Bring the store to what a job says, once; return whether it is so."""
        began = time.monotonic()
        try:
            self._bring(job)
        except SupersededError:
            self._seen = None
            result = "superseded"
        except BucketMissingError as error:
            if self.store.target.create and not self._rules.may_write():  # who leads will make it
                return True
            self._fail(error)
            result = error.code
        except StoreError as error:
            self._fail(error)
            result = error.code
        except Exception as error:
            # Without this a mistake of ours would end the thread, and be noticed by nobody.
            log.exception("Target %s: internal error", self.title, extra={"target": self.title})
            result = "internal"
            self._lost_sight(StoreError(f"Target {self.title}: internal error {error!r}.", "failed"))
        else:
            self._succeed(job)
            result = "success"
        self.tried = job.term
        if result != "success":
            self._metrics.published(self.title, result, time.monotonic() - began)
        return result == "success"

    def _lost_sight(self, error: StoreError) -> None:
        with self._wake:
            self._seen, self.error = None, error
            self._wake.notify_all()

    def _fail(self, error: StoreError) -> None:
        self._lost_sight(error)
        if isinstance(error, ConflictError):
            self._metrics.conflict(self.title)
        elif error.code != self._said:
            self._said = error.code
            log.error("%s The last good page stays.", error, extra={"target": self.title, "code": error.code})

    def _succeed(self, job: Job) -> None:
        self.error = None
        if job.snapshot:
            self._metrics.up_to_date(self.title)
        if self._said:
            self._said = ""
            log.info("Target %s is up to date again", self.title, extra={"target": self.title})

    def _bring(self, job: Job) -> None:
        if self._seen is None or self._seen.term != job.term or job.snapshot is None or self._lost(job):
            self._seen = self._read(job.term)
        seen, wanted, first = self._seen, job.snapshot, self._met != job.term
        self._met = job.term
        if wanted is None:
            return
        self._compare(seen, wanted, first=first)
        changed = any(seen.bodies.get(key) != body for key, body in self._documents(job))
        if changed:
            self._publish(seen, job, wanted)
        self.published = wanted
        self._fill(seen, job)
        self._prune(seen, wanted, quiet=not changed)

    def _documents(self, job: Job) -> list[tuple[str, bytes]]:
        """What the store is to have of a job, by key; a page that cannot be made is left as it is."""
        index = [(INDEX, job.snapshot.index)] if job.snapshot else []
        return index + ([(self._rules.output, job.page)] if job.page is not None else [])

    def _publish(self, seen: _Seen, job: Job, wanted: Snapshot) -> None:
        began = time.monotonic()
        self._entry(seen, wanted.key)
        if self._before:
            self._before.has(wanted.generation, within=_AHEAD)
        for key, body in self._documents(job):
            self._put(seen, key, body)
        with self._wake:
            seen.index = self.found = wanted
            self._wake.notify_all()
        self._rules.done(self.title, wanted)
        self._contents(seen)
        self._metrics.published(self.title, "success", time.monotonic() - began)

    def _lost(self, job: Job) -> bool:
        """Whether the store has not got any more what was written last."""
        seen = self._seen
        if seen is None or job.snapshot is None or seen.index != job.snapshot:
            return False
        keys = [LATEST, *(key for key, _ in self._documents(job))]
        return any(self.store.etag(key) != seen.tags.get(key) for key in keys)

    def _read(self, term: int) -> _Seen:
        """Ask the store what it has; make the bucket where that is ours to do."""
        if self.store.target.create and self._rules.may_write():
            self._create()
        if self._atomic is None and self._rules.may_write():
            self._probe()
        seen = _Seen(term)
        for key in (INDEX, self._rules.output, LATEST):
            stored = self.store.get(key)
            seen.tags[key] = stored.etag if stored else None
            if stored:
                seen.bodies[key] = stored.body
        seen.index = self.found = self._parsed(seen.bodies.get(INDEX))
        seen.keys = set(filter(listing.is_entry, self.store.keys(listing.HISTORY)))
        self._journal.offer(seen.keys, self._entry_of)
        self._journal.note(row for row in listing.rows(seen.bodies.get(LATEST, b"")) if row["key"] in seen.keys)
        return seen

    def _create(self) -> None:
        try:
            self.store.keys("index.json")
        except BucketMissingError:
            self._atomic = None
            self.store.create([INDEX, self._rules.output, f"{listing.HISTORY}*"])

    def _probe(self) -> None:
        self._atomic = self.store.probe()
        self._metrics.atomic(self.title, self._atomic)
        if not self._atomic:
            log.warning(
                "Target %s does not keep writers apart: its generation is read before and after each write instead.",
                self.title,
                extra={"target": self.title},
            )

    def _parsed(self, body: bytes | None) -> Snapshot | None:
        try:
            return listing.parse(body) if body is not None else None
        except ListingError as error:
            log.warning("Target %s: %s is written over: %s", self.title, INDEX, error, extra={"target": self.title})
            return None

    def _entry_of(self, key: str) -> bytes | None:
        try:
            stored = self.store.get(key)
        except StoreError:
            return None
        return stored.body if stored else None

    def _compare(self, seen: _Seen, wanted: Snapshot, *, first: bool) -> None:
        """Look whose state the store has. :raises SupersededError: if that is newer, or another one of that number."""
        found = seen.index
        if found is None or found.generation < wanted.generation or found.index == wanted.index:
            return
        self._rules.higher(found, first)
        raise SupersededError

    def _put(self, seen: _Seen, key: str, body: bytes) -> None:
        """Write a document in the place of what was seen there."""
        if seen.bodies.get(key) == body and seen.tags.get(key):
            return
        self._fence()
        if not self._atomic:
            self._reread(seen)
        seen.tags[key] = self.store.put(key, body, replaces=seen.tags.get(key))
        seen.bodies[key] = body

    def _reread(self, seen: _Seen) -> None:
        """Where the store does not keep writers apart: see that nobody has come before."""
        stored = self.store.get(INDEX)
        if (stored.etag if stored else None) != seen.tags.get(INDEX):
            raise ConflictError(f"Target {self.title}: somebody else has written {INDEX}.", "conflict")

    def _entry(self, seen: _Seen, key: str) -> None:
        """Write an entry of the history, which never changes, unless it is there."""
        body = None if key in seen.keys else self._journal.body(key)
        if body is None:
            return
        self._fence()
        with contextlib.suppress(ConflictError):  # by us, when no answer came
            self.store.put(key, body, replaces=None)
        seen.keys.add(key)

    def _fence(self) -> None:
        if not self._rules.may_write():
            raise SupersededError

    def _contents(self, seen: _Seen) -> None:
        for key in self._journal.untold():
            self._journal.tell(key, listing.parse)
        self._put(seen, LATEST, self._journal.contents())

    def _fill(self, seen: _Seen, job: Job) -> None:
        """Write what else of the history the store lacks, until there is something newer to do."""
        missing = self._journal.missing(seen.keys)
        for key in missing:
            if self._job is not job and not self._stopped:
                return
            self._entry(seen, key)
        if missing:
            self._journal.offer(seen.keys, self._entry_of)
            self._contents(seen)
            log.info("Target %s got %d entries of the history", self.title, len(missing), extra={"target": self.title})

    def _prune(self, seen: _Seen, wanted: Snapshot, *, quiet: bool) -> None:
        """Delete what of the history is too much or too old: while nothing changes, for the next change would wait."""
        now = time.monotonic()
        due = quiet and (not self._pruned or now - self._pruned >= _PRUNE)
        if not due and len(seen.keys) <= self._rules.count + 10:
            return
        self._pruned = now
        old = listing.stale(seen.keys, count=self._rules.count, days=self._rules.days, now=time.time(), kept=wanted.key)
        self._fence()
        self._journal.forget(old)
        self.store.delete(old)
        seen.keys.difference_update(old)
        if self.store.target.create:
            for key in (INDEX, self._rules.output, LATEST):
                self.store.prune_versions(key, keep=_VERSIONS)


def _pause(last: Job | None, failures: int) -> float:
    if failures:
        return _PAUSES[min(failures, len(_PAUSES)) - 1] * random.uniform(0.7, 1.3)
    return LOOK if last is not None and last.snapshot else _IDLE


def in_order(stores: t.Iterable[Store], journal: Journal, metrics: Metrics, rules: Rules) -> list[Target]:
    """Return a target for each store, in the order in which readers ask them."""
    targets: list[Target] = []
    for store in stores:
        targets.append(Target(store, journal, metrics, rules, before=targets[-1] if targets else None))
    return targets


def newest(targets: t.Iterable[Target]) -> Snapshot | None:
    """Return the newest state that any store has."""
    found = [each.found for each in targets if each.found]
    return max(found, key=lambda each: each.generation, default=None)
