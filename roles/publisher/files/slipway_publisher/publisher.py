"""The loop: from changes of the view to jobs for the stores, while this publisher leads."""

from __future__ import annotations

import logging
import threading
import time
import typing as t

from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import EngineError

from . import listing
from .debounce import Debounce
from .journal import Journal
from .lease import LostError
from .listing import Endpoints, Snapshot, digest
from .page import Renderer, TemplateError
from .store import Store
from .targets import Job, Rules, in_order, newest

if t.TYPE_CHECKING:
    from .lease import Lease
    from .metrics import Metrics
    from .settings import Settings
    from .view import View

log = logging.getLogger(__name__)

_TICK = 0.5  # seconds between two looks at what tells nobody of its changes: the template, the time
_ALIVE = 60.0  # seconds without a turn of the loop after which it counts as hanging
_FIRST_READ = 3.0  # seconds that a new leader waits for stores that do not answer
_AGAIN = 2.0  # seconds before the API server is asked again what it could not say
_SKEW = 5.0  # seconds that the clock may be behind the last leader's before that is said


class Pages:
    """Pages of the template as it is now. What is wrong with it is said once."""

    def __init__(self, renderer: Renderer, metrics: Metrics) -> None:
        self._renderer = renderer
        self._metrics = metrics
        self._made_of: tuple[str, Snapshot] | None = None
        self._said = ""
        self._page: bytes | None = None

    def check(self) -> None:
        """Look at the template before there is anything to list."""
        try:
            self._renderer.check()
        except TemplateError as error:
            self._say(str(error))
        else:
            self._say("")

    def make(self, snapshot: Snapshot) -> bytes | None:
        """Return the page of a state, as the template is now; None if no page can be made."""
        try:
            text = self._renderer.text()
            if self._made_of != (text, snapshot):
                self._made_of, self._page = (text, snapshot), None
                self._page = self._renderer.render(snapshot.context, text)
                self._say("")
        except TemplateError as error:
            self._page = None
            self._say(str(error))
        return self._page

    def _say(self, message: str) -> None:
        self._metrics.template_ok.set(not message)
        if message and message != self._said:
            log.error("%s The last good page stays.", message)
        self._said = message


class Publisher:
    """Publishes while it leads; stands by otherwise."""

    def __init__(self, settings: Settings, metrics: Metrics, renderer: Renderer) -> None:
        self._settings = settings
        self._metrics = metrics
        self._pages = Pages(renderer, metrics)
        self._wake = threading.Event()
        self._stopped = False
        self._lock = threading.Lock()
        self._debounce = Debounce(settings.quiet, settings.longest)
        self._journal = Journal(settings.history_count)
        self._seen_at: dict[int, float] = {}  # when the change was seen that a generation brought
        self._beat = time.monotonic()
        self._term = 0  # 0: stands by
        self._begun = False
        self._begin_by = 0.0
        self._last: Snapshot | None = None
        self._floor = 0
        self._higher = False
        self._job = Job(0)
        self._not_before = 0.0
        self._said = ""
        self._relist_at = time.monotonic() + settings.relist
        self._suspect = False
        self.view: View
        self.lease: Lease
        rules = Rules(
            output=settings.output,
            count=settings.history_count,
            days=settings.history_days,
            may_write=lambda: self.lease.leading,
            higher=self._found_higher,
            done=self._done,
        )
        self.targets = in_order(map(Store, settings.targets), self._journal, metrics, rules)

    @property
    def alive(self) -> bool:
        """Whether the loop turns."""
        return time.monotonic() - self._beat < _ALIVE

    def changed(self, at: float) -> None:
        """Note a change of the view, at a time.monotonic()."""
        with self._lock:
            self._debounce.change(at)
        self._wake.set()

    def wake(self) -> None:
        """Have the loop look at everything again."""
        self._wake.set()

    def stop(self) -> None:
        """Have run() return, at its next turn: for handlers of signals, which must take no lock."""
        self._stopped = True

    def run(self) -> None:
        """Publish, or stand by, until stop()."""
        self._pages.check()
        for target in self.targets:
            target.assign(self._job)
            target.start()
        try:
            while not self._stopped:
                self._beat = time.monotonic()
                self._wake.clear()
                self._turn()
                self._wake.wait(self._pause())
        finally:
            for target in self.targets:
                target.stop()
            for target in self.targets:
                target.join(5.0)

    def _pause(self) -> float:
        with self._lock:
            due = self._debounce.due - time.monotonic() if self._begun else _TICK
        return min(_TICK if self._begun or not self._term else 0.02, max(0.001, due))

    def _turn(self) -> None:
        leading = self.lease.leading
        self._metrics.leader.set(leading)
        if not leading:
            self._stand_by()
            return
        if self.lease.term != self._term:
            self._begin(self.lease.term)
        if not self._begun and not self._ready_to_begin():
            return
        self._publish_changes()
        self._relist()

    def _stand_by(self) -> None:
        self._last = newest(self.targets) or self._last
        if self._term:
            self._term, self._begun = 0, False
            self._assign(Job(0))

    def _begin(self, term: int) -> None:
        self._term, self._begun = term, False
        self._begin_by = time.monotonic() + _FIRST_READ
        with self._lock:
            self._higher = False
        self._assign(Job(term))

    def _ready_to_begin(self) -> bool:
        """Whether it is known what the last leader has published, as far as the stores answer."""
        read = all(each.tried == self._term for each in self.targets)
        if not read and time.monotonic() < self._begin_by:
            return False
        found = newest(self.targets)
        if found and (self._last is None or found.generation >= self._last.generation):
            self._last = found
        self._begun = True
        return True

    def _publish_changes(self) -> None:
        endpoints = self.view.endpoints
        now = time.monotonic()
        if endpoints:
            self._metrics.service_found.set(True)
        if endpoints is None or now < self._not_before:
            return
        with self._lock:
            higher, self._higher = self._higher, False
            if higher or self._last is None or digest(endpoints) != digest(self._last.endpoints):
                if self._debounce.first is None:
                    self._debounce.change(now)
            else:
                self._debounce.settle()
            due, first = self._debounce.due, self._debounce.first
        if first is not None and (now >= due or higher):
            self._publish(endpoints, first)
        elif first is None and self._last:
            self._keep(self._last)

    def _publish(self, endpoints: Endpoints, first: float) -> None:
        """Make and hand out the next state, unless it cannot be told whether it is true."""
        try:
            if not endpoints and not self._really_empty():
                return
            above = max(self._floor, self._last.generation if self._last else 0)
            generation = self.lease.next_generation(above)
        except LostError:
            return
        except EngineError as error:
            self._not_before = time.monotonic() + _AGAIN
            self._say(f"Nothing is published: {error}")
            return
        self._say("")
        with self._lock:
            self._debounce.settle()
            self._seen_at[generation] = first
        self._last = self._next(endpoints, generation)
        self._journal.add(self._last)
        self._metrics.generation.set(generation)
        self._metrics.endpoints.set(len(endpoints))
        self._keep(self._last)

    def _next(self, endpoints: Endpoints, generation: int) -> Snapshot:
        settings, now = self._settings, time.time()
        snapshot = listing.following(
            self._last,
            endpoints,
            generation=generation,
            now=now,
            service=settings.service,
            namespace=settings.namespace,
        )
        ahead = listing.seconds(snapshot.at) - now
        if ahead > _SKEW:
            log.warning("This clock is %.0f s behind that of the last publisher: states get its time", ahead)
        came, went = snapshot.summary["came"], snapshot.summary["went"]
        fields = {"generation": generation, "endpoints": len(endpoints), "came": came[:20], "went": went[:20]}
        log.info("The list has changed", extra=fields)
        return snapshot

    def _really_empty(self) -> bool:
        """Whether nobody is ready, as the API server says when it is asked once more. :raises EngineError:"""
        with self.view.bounded():
            if self.view.list():
                self.view.restart()
                self._not_before = time.monotonic() + _AGAIN
                return False
            found = self.view.service_exists()
        self._metrics.service_found.set(found)
        if not found:
            self._not_before = time.monotonic() + _AGAIN
            where = f"Service {self._settings.service} in namespace {self._settings.namespace}"
            self._say(f"Nothing is published: there is no {where}. The last good page stays.")
        return found

    def _keep(self, snapshot: Snapshot) -> None:
        """Have all stores keep a state, and the page of it as the template makes it now."""
        job = Job(self._term, snapshot, self._pages.make(snapshot))
        if job != self._job:
            self._assign(job)

    def _assign(self, job: Job) -> None:
        self._job = job
        for target in self.targets:
            target.assign(job)

    def _relist(self) -> None:
        """Compare the stream with a list, now and then; a difference that lasts means that the stream has missed it."""
        now = time.monotonic()
        if now < self._relist_at:
            return
        try:
            with self.view.bounded():
                differs = digest(self.view.list()) != digest(self.view.endpoints or ())
        except EngineError as error:
            log.info("The stream is not compared with a list: %s", error)
            differs = False
        if differs and self._suspect:
            self._metrics.relist_differences.inc()
            log.warning("The stream has missed a change; it begins anew")
            self.view.restart()
        again = differs and not self._suspect
        self._suspect = again
        self._relist_at = now + (_AGAIN if again else self._settings.relist)

    def _say(self, message: str) -> None:
        """Log what keeps this from publishing, once."""
        if message and message != self._said:
            log.error("%s", message)
        self._said = message

    def _found_higher(self, found: Snapshot, first: bool) -> None:
        """A store has a newer state than ours: of a leader before us, or of one after us."""
        if not first:
            self.lease.step_down(f"a store has generation {found.generation}, which another publisher wrote")
            return
        with self._lock:
            self._floor = max(self._floor, found.generation)
            self._higher = True
        self._wake.set()

    def _done(self, target: str, snapshot: Snapshot) -> None:
        """A store has a state."""
        with self._lock:
            first = self._seen_at.pop(snapshot.generation, None)
            self._seen_at = {number: at for number, at in self._seen_at.items() if number > snapshot.generation}
        if first is not None:
            seconds = time.monotonic() - first
            self._metrics.freshness.observe(seconds)
            fields = {"target": target, "generation": snapshot.generation, "seconds": round(seconds, 3)}
            log.info("Published", extra=fields)
