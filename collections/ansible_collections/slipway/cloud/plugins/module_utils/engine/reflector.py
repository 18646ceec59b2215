# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stream: LIST, then WATCH, kept up for as long as somebody waits.

The rules are those of client-go's Reflector (bookmarks, resume from the last revision, list again on 410) with kopf's
inactivity watchdog, because a dead link otherwise looks like a quiet one.
"""

from __future__ import annotations

import json
import random
import threading
import typing as t
from dataclasses import dataclass

from .errors import ApiError, EngineError, ExpiredError, StreamError, UnreachableError, api_error
from .resources import object_key

if t.TYPE_CHECKING:
    from .client import Client, Stream
    from .resources import Object, Resource

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
Key = tuple[str, str]  # namespace, name

_PAGE = "500"
_DELAYS = (0.1, 0.5, 1.0, 1.0, 2.0, 3.0)  # short, for somebody waits; a server that needs more says Retry-After


class Change(t.NamedTuple):
    """An object as it is now, or as it last was if ``kind`` is DELETED."""

    kind: str
    obj: Object


@dataclass(frozen=True, slots=True)
class Selection:
    """What one stream shows: a kind in a namespace (None: everywhere), less what a label selector leaves out."""

    resource: Resource
    namespace: str | None = None
    labels: str = ""

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
        """Return the seconds to wait: what the server asked for, else between half and all of the table's next row."""
        delay = _DELAYS[min(self._failures, len(_DELAYS) - 1)]
        self._failures += 1
        return retry_after if retry_after is not None else delay * (1 + self._jitter()) / 2


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

    :param report: called with the changes that a chunk of the watch brought, in order. Empty ones follow each list and
        bookmark: they tell that the stream has come further.
    :param give_up: called once, with the error, if the stream cannot go on; nothing is reported after it.
    :param inactivity: seconds of silence after which a watch is taken for dead. Bookmarks come about once a minute.
    """

    def __init__(
        self,
        client: Client,
        selection: Selection,
        *,
        report: t.Callable[[Reflector, list[Change]], None],
        give_up: t.Callable[[EngineError], None],
        inactivity: float = 70.0,
    ) -> None:
        super().__init__(name=selection.action, daemon=True)
        self.selection = selection
        self.store = Store()
        self.synced = False
        self._client = client
        self._report = report
        self._give_up = give_up
        self._inactivity = inactivity
        self._stopping = threading.Event()
        self._stream: Stream | None = None
        self._version = ""
        self._backoff = Backoff()

    def stop(self) -> None:
        """Tell the thread to end and wake it up; join() to wait for it."""
        self._stopping.set()
        stream = self._stream
        if stream is not None:
            stream.interrupt()

    def run(self) -> None:
        """List and watch until stop(), or until going on is pointless."""
        try:
            self._follow()
        except EngineError as error:
            self._give_up(error)
        # Without this a mistake of ours would leave everybody waiting for a thread that is no more.
        except Exception as error:  # noqa: BLE001
            self._give_up(EngineError(f"Cannot {self.selection.action}: internal error {error!r}."))

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._version:
                    self._list()
                self._watch()
                delay = self._backoff.next()
            except ExpiredError:
                self._version = ""
                delay = self._backoff.next()
            except (StreamError, UnreachableError, ApiError) as error:
                # A server that has just started may refuse for a moment what it allowed before.
                if not _passing(error) and (not self.synced or self._backoff.exhausted):
                    raise
                delay = self._backoff.next(getattr(error, "retry_after", None))
            self._stopping.wait(delay)

    def _query(self, **extra: str) -> dict[str, str]:
        return {"labelSelector": self.selection.labels, **extra} if self.selection.labels else extra

    def _list(self) -> None:
        """Read everything, page by page, and report how it differs from what was known."""
        items: list[Object] = []
        path = self.selection.resource.path(self.selection.namespace)
        query = self._query(limit=_PAGE)
        while query:
            page = self._client.get(path, query, action=self.selection.action)
            items += page.get("items") or []
            more = page["metadata"].get("continue")
            query = self._query(limit=_PAGE, **{"continue": more}) if more else {}
        changes = self.store.replace(map(self._kept, items), revision(page))
        self._version = page["metadata"]["resourceVersion"]
        self.synced = True
        self._report(self, changes)
        self._report(self, [])  # what the list does not hold may decide as much as what it holds

    def _kept(self, obj: Object) -> Object:
        """Return an object as it is kept: with its kind, which a list leaves out, less what nobody here reads."""
        obj["metadata"].pop("managedFields", None)  # often half of it
        obj.update(apiVersion=self.selection.resource.api_version, kind=self.selection.resource.kind)
        return obj

    def _watch(self) -> None:
        """Follow the changes since the last revision until the server ends the stream."""
        query = self._query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=self._version,
            timeoutSeconds=str(random.randint(240, 300)),
        )
        path = self.selection.resource.path(self.selection.namespace)
        stream = self._client.stream(path, query, action=self.selection.action, read_timeout=self._inactivity)
        self._stream = stream
        try:
            if self._stopping.is_set():
                return
            decoder = LineDecoder()
            for chunk in stream:
                self._take(decoder.feed(chunk))
        finally:
            self._stream = None
            stream.close()

    def _take(self, events: list[dict[str, t.Any]]) -> None:
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
