"""What files say, read again when they have changed."""

from __future__ import annotations

import os
import threading
import typing as t

if t.TYPE_CHECKING:
    from pathlib import Path

T = t.TypeVar("T")
Signature = tuple[tuple[int, ...], ...]


class Reread(t.Generic[T]):
    """The value that ``load`` makes of some files; while it cannot, the last one that it could. Thread-safe.

    A look costs one stat a file, so that each call may have one: nothing has to be told of a change, or to poll.

    :param load: raises OSError or ValueError for files that cannot be used, as those which are half written.
    :param warn: called with the error, once for each state of the files.
    :raises OSError, ValueError: from ``load``, at the first time alone.
    """

    def __init__(self, paths: t.Sequence[Path], load: t.Callable[[], T], warn: t.Callable[[Exception], None]) -> None:
        self._paths = paths
        self._load = load
        self._warn = warn
        self._lock = threading.Lock()
        self._warned: Signature | None = None
        self._seen: Signature | None = _signature(paths)
        self._value = load()

    def get(self) -> T:
        """Return the value of the files as they are, or were when they could last be used."""
        with self._lock:
            seen = _signature(self._paths)
            if seen != self._seen:
                self._take(seen)
            return self._value

    def _take(self, seen: Signature) -> None:
        try:
            self._value, self._seen = self._load(), seen
        except (OSError, ValueError) as error:
            # Not noted as seen: what is written further within one tick of the file system's clock looks the same.
            if seen != self._warned:
                self._warned = seen
                self._warn(error)


def _signature(paths: t.Sequence[Path]) -> Signature:
    return tuple(map(_state, paths))


def _state(path: Path) -> tuple[int, ...]:
    try:
        stat = os.stat(path)
    except OSError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
