"""Which publisher of several publishes: a Lease, whose holder renews it, and the generation that it has come to.

A holder that could not renew for a while stops by its own clock before another one may take over. Nobody's clock is
compared with another's: a Lease counts as dead when it has not changed for its time while it was looked at. The
generation is an annotation: to count it up is to write the Lease, which a former holder cannot any more.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
import typing as t

from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import (
    ConflictError,
    EngineError,
    NotFoundError,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Resource

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import Client

log = logging.getLogger(__name__)

LEASE = Resource("coordination.k8s.io/v1", "Lease", "leases")
GENERATION = "slipway.dev/generation"

Json = dict[str, t.Any]


class LostError(Exception):
    """This publisher does not lead any more."""


class Lease(threading.Thread):
    """Holds the Lease, or waits for it, from a thread of its own; leaving it as a context manager lets go.

    :param seconds: without a renewal after which others may take it. It is renewed at 2 / 9 of that time, and given up
        at 2 / 3. :param changed: called when this begins to lead, or ceases to.
    """

    def __init__(  # what makes a lease
        self, client: Client, namespace: str, name: str, *, identity: str, seconds: int, changed: t.Callable[[], None]
    ) -> None:
        super().__init__(name="lease", daemon=True)
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._seconds = seconds
        self._changed = changed
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._until = 0.0  # when this has to stop leading
        self._object: Json | None = None  # as last written here, or seen
        self._seen: tuple[str, float] = ("", 0.0)  # a revision of it, and since when
        self._led = False
        self._refused: str | None = None
        self.term = 0  # counts how often this began to lead

    def __enter__(self) -> t.Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join()

    @property
    def leading(self) -> bool:
        """Whether this publisher may write, now."""
        return time.monotonic() < self._until

    def run(self) -> None:
        """Renew, or wait, until the end; then let go."""
        while not self._stopping.wait(self._seconds * 2 / 9 if self.leading else self._seconds / 9):
            self._attempt()
        self._let_go()

    def step_down(self, why: str) -> None:
        """Lead no more, until the Lease is free again."""
        with self._lock:
            if self.leading:
                log.warning("Step down: %s", why)
                self._let_go()
                self._seen = ("", 0.0)
        self._tell()

    def next_generation(self, above: int) -> int:
        """Return a generation that no one else gets, higher than any before and ``above``.

        :raises LostError: if somebody else leads. :raises EngineError: if the API server does not answer.
        """
        with self._lock:
            if not self.leading or self._object is None:
                raise LostError
            generation = max(above, _generation(self._object)) + 1
            try:
                self._hold(self._object, generation)
            except ConflictError as error:
                self._until = 0.0
                raise LostError from error
            return generation

    @property
    def generation(self) -> int:
        """The generation that the Lease has come to, as it was last seen."""
        with self._lock:
            return _generation(self._object) if self._object else 0

    def _attempt(self) -> None:
        with self._lock:
            try:
                self._renew() if self.leading else self._look()
                self._refused = None
            except ConflictError:
                self._until = 0.0
            except EngineError as error:
                if self._refused != error.code:
                    self._refused = error.code
                    log.warning("Lease %s: %s", self._name, error, extra={"code": error.code})
        self._tell()

    def _tell(self) -> None:
        leading = self.leading
        if leading != self._led:
            self._led = leading
            self.term += leading
            log.info("Lead" if leading else "Lead no more", extra={"identity": self._identity})
            self._changed()

    def _renew(self) -> None:
        assert self._object is not None
        try:
            self._hold(self._object)
        except NotFoundError:
            self._object = None
            self._take(None)

    def _look(self) -> None:
        """Take the Lease if nobody holds it, or who does has not renewed it for its time."""
        try:
            found = self._request("GET", self._path)
        except NotFoundError:
            self._take(None)
            return
        self._object = found
        now, spec, at = time.monotonic(), found.get("spec") or {}, str(found["metadata"]["resourceVersion"])
        if self._seen[0] != at:
            self._seen = (at, now)
        holder = spec.get("holderIdentity") or ""
        lasts = float(spec.get("leaseDurationSeconds") or self._seconds)
        if not holder or holder == self._identity or now - self._seen[1] >= lasts:
            self._take(found)

    def _take(self, found: Json | None) -> None:
        if found:
            spec = found.setdefault("spec", {})
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
            spec["acquireTime"] = _micro_time()
        self._hold(found or self._new())

    def _new(self) -> Json:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {"leaseTransitions": 0, "acquireTime": _micro_time()},
        }

    def _hold(self, lease: Json, generation: int | None = None) -> None:
        """Write the Lease as ours; what is read from it must not have changed meanwhile."""
        began = time.monotonic()
        spec = {
            **lease["spec"],
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._seconds,
            "renewTime": _micro_time(),
        }
        meta = dict(lease["metadata"])
        meta.pop("managedFields", None)
        if generation is not None:
            meta["annotations"] = {**(meta.get("annotations") or {}), GENERATION: str(generation)}
        self._object = self._write({**lease, "metadata": meta, "spec": spec})
        self._until = began + self._seconds * 2 / 3

    def _write(self, lease: Json) -> Json:
        new = "resourceVersion" not in lease["metadata"]
        path = LEASE.path(self._namespace) if new else self._path
        return self._request("POST" if new else "PUT", path, lease)

    def _let_go(self) -> None:
        """Let the next one lead at once, if that can be said."""
        with self._lock:
            held, self._until = self.leading, 0.0
            if held and self._object:
                spec = {**self._object["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                try:
                    self._object = self._write({**self._object, "spec": spec})
                except EngineError as error:
                    log.info("Lease %s is not let go: %s", self._name, error)

    @property
    def _path(self) -> str:
        return LEASE.path(self._namespace, self._name)

    def _request(self, verb: str, path: str, body: Json | None = None) -> Json:
        with self._client.until(time.monotonic() + self._seconds / 4):
            action = f"{'read' if verb == 'GET' else 'write'} Lease {self._name} in namespace {self._namespace}"
            return self._client.request(verb, path, action=action, body=body)


def _generation(lease: Json) -> int:
    text = str((lease["metadata"].get("annotations") or {}).get(GENERATION, "0"))
    return int(text) if text.isdigit() else 0


def _micro_time() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
