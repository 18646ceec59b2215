# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stream: LIST, then WATCH, kept up for as long as somebody waits.

The rules are those of client-go's Reflector (bookmarks, resume from the last revision, list again on 410) with kopf's
inactivity watchdog, because a dead link otherwise looks like a quiet one.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
import typing as t
from dataclasses import dataclass

from .errors import ApiError, EngineError, ExpiredError, ForbiddenError, StreamError, UnreachableError, api_error
from .resources import object_key

if t.TYPE_CHECKING:
    from .client import Client
    from .resources import Object, Resource

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
Key = tuple[str, str]  # namespace, name

_PAGE = "500"
_DELAYS = (0.1, 0.5, 1.0, 1.0, 2.0, 3.0)  # short, for somebody waits; a server that needs more says Retry-After
_POLL = 3.0  # between two lists, where a watch is not allowed


class Change(t.NamedTuple):
    """An object as it is now, or as it last was if ``kind`` is DELETED."""

    kind: str
    obj: Object


@dataclass(frozen=True, slots=True)
class Selection:
    """What one stream shows: a kind in a namespace (None: everywhere), less what the selectors leave out.

    With a ``name`` it shows that object alone; so a Role for that very name is enough.
    """

    resource: Resource
    namespace: str | None = None
    labels: str = ""
    name: str = ""
    fields: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The selectors, which the server applies."""
        fields = [self.name and f"metadata.name={self.name}", self.fields]
        selectors = {"labelSelector": self.labels, "fieldSelector": ",".join(filter(None, fields))}
        return {key: value for key, value in selectors.items() if value}

    @property
    def action(self) -> str:
        """What the stream does, for messages."""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"watch {self.resource.plural}{where}"


class LineDecoder:
    """Turns chunks of bytes into JSON objects, one a line; an unfinished line is kept for the next chunk."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> list[dict[str, t.Any]]:
        """Return the objects that ``chunk`` completes. :raises StreamError: for a line that is no JSON."""
        head, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self._parts.append(chunk)
            return []
        lines = b"".join((*self._parts, head)).split(b"\n")
        self._parts = [rest] if rest else []
        try:
            return [json.loads(line) for line in lines if line.strip()]
        except ValueError as error:
            raise StreamError(f"the watch sent what is no JSON: {error}") from error


class Backoff:
    """Delays before the next attempt: growing, jittered, forgotten at the first success."""

    def __init__(self, jitter: t.Callable[[], float] = random.random) -> None:
        self._failures = 0
        self._jitter = jitter

    def reset(self) -> None:
        """Start again with the shortest delay."""
        self._failures = 0

    @property
    def exhausted(self) -> bool:
        """Whether the longest delay has been reached."""
        return self._failures >= len(_DELAYS)

    def next(self, retry_after: float | None = None) -> float:
        """Return the seconds to wait: between half and all of the table's next row, but what the server asks for."""
        delay = _DELAYS[min(self._failures, len(_DELAYS) - 1)]
        self._failures += 1
        return max(retry_after or 0.0, delay * (1 + self._jitter()) / 2)


def revision(obj: t.Mapping[str, t.Any]) -> int:
    """Return the resourceVersion of an object or list as a number, 0 where it is none (KEP-5504 makes it one)."""
    value = str(obj["metadata"].get("resourceVersion", ""))
    return int(value) if value.isdigit() else 0


class Store:
    """The objects of one stream, and the changes that follow from each list and event. No I/O."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.revision = 0

    def replace(self, items: t.Iterable[Object], at: int) -> list[Change]:
        """Take a new list; what it no longer holds, or holds under another uid, was deleted in between."""
        fresh = {object_key(item): item for item in items}
        gone = [old for key, old in self.objects.items() if key not in fresh or _uid(fresh[key]) != _uid(old)]
        changes = [Change(DELETED, old) for old in gone]
        for key, item in fresh.items():
            old = self.objects.get(key)
            if old is None or _uid(old) != _uid(item):
                changes.append(Change(ADDED, item))
            elif old["metadata"].get("resourceVersion") != item["metadata"].get("resourceVersion"):
                changes.append(Change(MODIFIED, item))
        self.objects, self.revision = fresh, at
        return changes

    def apply(self, kind: str, obj: Object) -> Change | None:
        """Take an event; None for a bookmark, and for a repeated event, which would bring back what is past."""
        at = revision(obj)
        if at and at <= self.revision:
            return None
        if kind == DELETED:
            self.objects.pop(object_key(obj), None)
        elif kind in (ADDED, MODIFIED):
            self.objects[object_key(obj)] = obj
        # Last, because others read without a lock: who sees the revision must see what it brought.
        self.revision = at or self.revision
        return Change(kind, obj) if kind in (ADDED, MODIFIED, DELETED) else None


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


class Reflector(threading.Thread):
    """Keeps a store up to date and reports each batch of changes, from a thread of its own.

    Who does not start it drives it by refresh() and take().

    :param report: called with the changes that a chunk of the watch brought, in order. Empty ones follow each list and
        bookmark: they tell that the stream has come further.
    :param give_up: called once, with the error, if the stream cannot go on; nothing is reported after it.
    :param warn: called with what the user should know of a stream that goes on, once for each.
    :param inactivity: seconds of silence after which a request is taken for dead. Bookmarks come about once a minute.
    """

    def __init__(
        self,
        client: Client,
        selection: Selection,
        *,
        report: t.Callable[[Reflector, list[Change]], None],
        give_up: t.Callable[[EngineError], None],
        warn: t.Callable[[Reflector, str], None],
        inactivity: float = 70.0,
    ) -> None:
        super().__init__(name=selection.action, daemon=True)
        self.selection = selection
        self.store = Store()
        self.synced = False
        self.behind = False  # whether it was held, and has not listed since
        self.heard = time.monotonic()  # when the server last said anything, be it a bookmark
        self.failing_since: float | None = None  # when attempts began to fail, None while they do not
        self.interruptions = 0  # attempts that failed, or watches that broke off
        self._report = report
        self._give_up = give_up
        self._warn = warn
        self._inactivity = inactivity
        self._stopping = threading.Event()
        self._released = threading.Event()
        self._released.set()
        self._channel = client.channel()
        self._version = ""
        self._backoff = Backoff()
        self._refusals = Backoff()
        self._polling = False

    def hold(self) -> None:
        """List, but do not watch before release(). Call it before start()."""
        self.behind = True
        self._released.clear()

    def release(self) -> None:
        """List anew, and watch from then on."""
        self._released.set()

    def stop(self) -> None:
        """Tell the thread to end and wake it up, whatever it is blocked in; join() to wait for it."""
        self._stopping.set()
        self._released.set()
        self._channel.cut()

    def run(self) -> None:
        """List and watch until stop(), or until going on is pointless."""
        try:
            self._follow()
        except EngineError as error:
            self._end(error)
        # Without this a mistake of ours would leave everybody waiting for a thread that is no more.
        except Exception as error:  # noqa: BLE001
            self._end(EngineError(f"Cannot {self.selection.action}: internal error {error!r}."))
        finally:
            self._channel.close()

    def _end(self, error: EngineError) -> None:
        if not self._stopping.is_set():
            self._give_up(error)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._version:
                    self.refresh()
                if self.behind:
                    self._released.wait()
                    self._version = ""
                    continue
                self._watch()
                delay = self._backoff.next()
            except (StreamError, UnreachableError, ApiError) as error:
                self.interruptions += 1
                self.failing_since = self.failing_since or time.monotonic()
                delay = self._after(error)
            self._stopping.wait(delay)

    def _hear(self) -> None:
        """Note that the server is there."""
        self.heard, self.failing_since = time.monotonic(), None

    def _after(self, error: StreamError | UnreachableError | ApiError) -> float:
        """Return the seconds until the next attempt. :raises EngineError: ``error``, if there is to be none."""
        if isinstance(error, ExpiredError):
            self._version = ""
            return self._backoff.next()
        if isinstance(error, ForbiddenError) and self._version:  # the list was allowed
            return self._poll(error)
        if _passing(error):
            return self._backoff.next(getattr(error, "retry_after", None))
        # A server that has just started may refuse for a moment what it allowed before.
        if not self.synced or self._refusals.exhausted:
            raise error
        return self._refusals.next()

    def _poll(self, error: ForbiddenError) -> float:
        """List again after a while, since a watch is forbidden; then try it again, for rights may be granted."""
        if not self._polling:
            self._polling = True
            self._warn(self, f"{error} Until then its state is asked for every {_POLL:g} s.")
        self._version = ""
        self._backoff.reset()
        return _POLL

    def refresh(self) -> None:
        """List: read everything, page by page, and report how it differs from what was known."""
        released = self._released.is_set()
        items: list[Object] = []
        path = self.selection.resource.path(self.selection.namespace)
        query = {**self.selection.query, "limit": _PAGE}
        while True:
            page = self._channel.get(path, query, action=self.selection.action, read_timeout=self._inactivity)
            self._hear()
            items += page.get("items") or []
            if not page["metadata"].get("continue"):
                break
            query["continue"] = page["metadata"]["continue"]
        changes = self.store.replace(map(self._kept, items), revision(page))
        self._version = page["metadata"]["resourceVersion"]
        self._refusals.reset()
        self._report(self, changes)
        self.synced, self.behind = True, not released
        self._report(self, [])  # what the list does not hold may decide as much as what it holds

    def _kept(self, obj: Object) -> Object:
        """Return an object as it is kept: with its kind, which a list leaves out, less what nobody here reads."""
        obj["metadata"].pop("managedFields", None)  # often half of it
        obj.update(apiVersion=self.selection.resource.api_version, kind=self.selection.resource.kind)
        return obj

    def _watch(self) -> None:
        """Follow the changes since the last revision until the server ends the stream."""
        query = {
            **self.selection.query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(random.randint(240, 300)),
        }
        path = self.selection.resource.path(self.selection.namespace)
        watch = self._channel.watch(path, query, action=self.selection.action, read_timeout=self._inactivity)
        began, decoder = time.monotonic(), LineDecoder()
        self._hear()
        self._polling = False
        self._refusals.reset()
        with contextlib.closing(watch):
            try:
                for chunk in watch:
                    self._hear()
                    self.take(decoder.feed(chunk))
            finally:
                if time.monotonic() - began > _DELAYS[-1]:  # it was up, and there was nothing to tell
                    self._backoff.reset()

    def take(self, events: list[dict[str, t.Any]]) -> None:
        """Apply what one chunk of the watch brought. :raises ApiError: for an ERROR event."""
        changes: list[Change] = []
        for event in events:
            obj = event["object"]
            if event["type"] == "ERROR":
                self._report(self, changes)
                raise api_error(self.selection.action, status=int(obj.get("code") or 500), body=obj)
            self._version = obj["metadata"]["resourceVersion"]
            change = self.store.apply(event["type"], self._kept(obj))
            if change is not None:
                changes.append(change)
        if events:
            self._backoff.reset()
            self._report(self, changes)


def _passing(error: EngineError) -> bool:
    """Whether trying again can help: not if the server understood and refused."""
    if isinstance(error, ApiError):
        return error.status == 429 or error.status >= 500
    return not isinstance(error, UnreachableError) or error.retryable
