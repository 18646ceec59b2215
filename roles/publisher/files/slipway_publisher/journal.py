"""The history as this publisher knows it: what it has made itself, and what the stores have. Thread-safe.

It is what a store is brought up to date from that was away, or comes back empty.
"""

from __future__ import annotations

import logging
import threading
import typing as t
from collections import OrderedDict

from . import listing

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .listing import Json, Snapshot

log = logging.getLogger(__name__)

_BYTES = 64 << 20  # of entries that are kept in memory
Reader = t.Callable[[str], bytes | None]


class Journal:
    """Entries by their keys.

    :param count: how many are of interest.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._summaries: dict[str, Json] = {}
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._elsewhere: dict[str, Reader] = {}
        self._size = 0

    def add(self, snapshot: Snapshot) -> None:
        """Take a new state."""
        with self._lock:
            self._summaries[snapshot.key] = snapshot.summary
            self._keep(snapshot.key, snapshot.entry)
            self._trim()

    def offer(self, keys: Iterable[str], reader: Reader) -> None:
        """Note that a store has these entries, and how to read one."""
        with self._lock:
            self._elsewhere.update(dict.fromkeys(keys, reader))
            self._trim()

    def note(self, rows: Iterable[Json]) -> None:
        """Take rows of a table of contents."""
        with self._lock:
            for row in rows:
                self._summaries.setdefault(row["key"], row)
            self._trim()

    def missing(self, present: set[str]) -> list[str]:
        """Return the keys of what a store has not got, the newest first."""
        with self._lock:
            known = {*self._bodies, *self._elsewhere}
            return [key for key in sorted(known, reverse=True)[: self._count] if key not in present]

    def body(self, key: str) -> bytes | None:
        """Return an entry, from memory or from a store that has it; None if it cannot be had."""
        with self._lock:
            body, reader = self._bodies.get(key), self._elsewhere.get(key)
        return body or (reader(key) if reader else None)

    def contents(self) -> bytes:
        """Return the table of contents."""
        with self._lock:
            return listing.latest(self._summaries.values())

    def untold(self) -> list[str]:
        """Return the keys of the newest entries that the table of contents lacks, and should have."""
        with self._lock:
            known = {*self._bodies, *self._elsewhere, *self._summaries}
            newest = sorted(known, reverse=True)[: listing.LATEST_COUNT]
            return [key for key in newest if key not in self._summaries]

    def forget(self, keys: Iterable[str]) -> None:
        """Leave out what was deleted for its age."""
        with self._lock:
            for key in keys:
                self._summaries.pop(key, None)
                self._elsewhere.pop(key, None)
                self._size -= len(self._bodies.pop(key, b""))

    def tell(self, key: str, read: Callable[[bytes], Snapshot]) -> None:
        """Give an entry its row in the table of contents."""
        body = self.body(key)
        if body is None:
            return
        try:
            snapshot = read(body)
        except listing.ListingError as error:
            log.warning("%s is passed over: %s", key, error)
            self.forget([key])
            return
        self.note([{**snapshot.summary, "key": key}])

    def _keep(self, key: str, body: bytes) -> None:
        self._size += len(body) - len(self._bodies.get(key, b""))
        self._bodies[key] = body
        while (self._size > _BYTES or len(self._bodies) > self._count) and len(self._bodies) > 1:
            _, old = self._bodies.popitem(last=False)
            self._size -= len(old)

    def _trim(self) -> None:
        _shorten(self._summaries, self._count)
        _shorten(self._elsewhere, self._count)


def _shorten(table: dict[str, t.Any], count: int) -> None:
    for key in sorted(table, reverse=True)[count:]:
        del table[key]
