# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that one thread uses and another can cut, whatever the first is blocked in: handshake, request or answer.

urllib3 gives access to a socket only once the headers of an answer are there, which may be never. A connect is not cut:
it ends by its own time-out.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t


class Wire:
    """The sockets in use by one thread. A cut one stays cut, and so do those that are opened after it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._is_cut = False

    def hold(self, sock: socket.socket) -> socket.socket:
        """Return a second handle of a socket, to be released: TLS takes the first one over."""
        end = socket.fromfd(sock.fileno(), sock.family, sock.type)
        with self._lock:
            self._ends.add(end)
            if self._is_cut:
                _shut(end)
        return end

    def release(self, end: socket.socket) -> None:
        """Let go of a handle: with it the connection is closed."""
        with self._lock:
            self._ends.discard(end)
        end.close()

    def cut(self) -> None:
        """End every connection, and wake up whoever is blocked on one."""
        with self._lock:
            self._is_cut = True
            for end in self._ends:
                _shut(end)

    def pool_classes(self, bases: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return urllib3's pool classes by scheme, with connections that are held."""
        return {
            scheme: type("HeldPool", (pool,), {"ConnectionCls": self._held(pool)}) for scheme, pool in bases.items()
        }

    def _held(self, pool: t.Any) -> type:
        return type("HeldConnection", (_Held, pool.ConnectionCls), {"wire": self})


class _Held:
    """What a connection class of urllib3 is mixed with."""

    wire: t.ClassVar[Wire]
    _end: socket.socket | None = None
    _answering = False

    def _new_conn(self) -> socket.socket:
        self._release()
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        self._end = self.wire.hold(sock)
        return sock

    def getresponse(self) -> t.Any:
        self._answering = True
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            self._answering = False

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        if not self._answering:  # else the server closes after this answer, which is still to be read
            self._release()

    def _release(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            self.wire.release(end)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was never connected, or the other side has hung up
        end.shutdown(socket.SHUT_RDWR)
