# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks further when something is wrong: events and nodes by streams of their own, logs and the like by one reader.

Whoever asks is not kept waiting: each finding is announced. What may not be read counts as answered by nothing.
"""

from __future__ import annotations

import contextlib
import math
import queue
import re
import threading
import time
import typing as t

from .diagnosis import Ask, Evidence
from .errors import EngineError, NotFoundError
from .reflector import DELETED, Change, Reflector, Selection
from .resources import CONFIG_MAP, EVENT, NODE, POD, SECRET, SERVICE_ACCOUNT, STORAGE_CLASS, Object, object_key
from .scheduling import requests

if t.TYPE_CHECKING:
    from .client import Client
    from .verdict import Target

_LOG_LINES = "25"
_LOG_BYTES = str(1 << 16)
_READ_TIMEOUT = 5.0
_FRESH, _KEPT = 60.0, 600.0  # seconds after which an answer is read anew if it is asked for, and else forgotten
_SELECTIONS: dict[str, t.Callable[[Ask], Selection]] = {
    "events": lambda ask: Selection(EVENT, ask.namespace or None, fields="type=Warning"),
    "nodes": lambda _: Selection(NODE),
}
_LOOKED_FOR = {"configmap": CONFIG_MAP, "secret": SECRET, "serviceaccount": SERVICE_ACCOUNT}
_SECRETS = re.compile(
    r"((?:password|passwd|secret|token|api[-_]?key|authorization)[\"']?\s*[:=]\s*)(?:bearer\s+)?\S+", re.IGNORECASE
)


def masked(line: str) -> str:
    """Return a line of a log without what looks like a secret: it goes to terminals, results and event logs."""
    return _SECRETS.sub(r"\1(hidden)", line)


def _facts(node: Object | None) -> t.Any:
    """Return what of a node tells where pods can run; its heartbeats, of which there are many, do not."""
    if node is None:
        return None
    status = node.get("status", {})
    conditions = [[each.get(key) for key in ("type", "status", "reason")] for each in status.get("conditions") or ()]
    return node["metadata"].get("labels"), node.get("spec"), status.get("allocatable"), conditions


class Inspector:
    """Answers what is asked, each thing once a minute. Nothing is started before the first ask.

    :param learned: called after each finding, from threads of the inspector, without a lock held.
    :param inactivity: see Reflector.
    """

    def __init__(self, client: Client, *, learned: t.Callable[[], None], inactivity: float = 70.0) -> None:
        self._client = client
        self._learned = learned
        self._inactivity = inactivity
        self._lock = threading.Lock()
        self._asked: dict[Ask, float] = {}  # and when
        self._answered: frozenset[Ask] = frozenset()
        self._streams: dict[Ask, Reflector] = {}
        self._events: dict[str, dict[str, Object]] = {}  # by uid of what they are about, and their own
        self._nodes: tuple[Object, ...] = ()
        self._logs: dict[Ask, tuple[str, ...]] = {}
        self._classes: dict[str, Object | None] = {}
        self._exists: dict[Ask, bool] = {}
        self._used: dict[str, t.Mapping[str, float]] = {}
        self._to_read: queue.SimpleQueue[Ask | None] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._channel = client.channel()
        self._closed = False

    def ask(self, asks: t.Iterable[Ask]) -> None:
        """Begin to find out what is not known yet."""
        with self._lock:
            now = time.monotonic()
            for ask in () if self._closed else set(asks) - self._streams.keys():
                if ask.what in _SELECTIONS:
                    self._asked[ask] = math.inf
                    self._follow(ask)
                elif now >= self._asked.get(ask, -math.inf) + _FRESH:
                    self._asked[ask] = now
                    self._read_later(ask)

    def _follow(self, ask: Ask) -> None:
        def report(stream: Reflector, changes: list[Change]) -> None:
            self._take(ask, stream, changes)

        self._streams[ask] = Reflector(
            self._client,
            _SELECTIONS[ask.what](ask),
            report=report,
            give_up=lambda _error: self._answer(ask),
            warn=lambda _stream, _message: None,
            inactivity=self._inactivity,
        )
        self._streams[ask].start()

    def _read_later(self, ask: Ask) -> None:
        self._to_read.put(ask)
        if self._reader is None:
            self._reader = threading.Thread(target=self._read_all, name="inspector", daemon=True)
            self._reader.start()

    def _take(self, ask: Ask, stream: Reflector, changes: list[Change]) -> None:
        with self._lock:
            if ask.what == "nodes":
                before = {object_key(each): each for each in self._nodes}
                now = dict(stream.store.objects)
                keys = [object_key(change.obj) for change in changes]
                news = any(_facts(before.get(key)) != _facts(now.get(key)) for key in keys)
                self._nodes = tuple(now.values())
            else:
                news = True
                for change in changes:
                    self._note(change)
        if news or not changes:
            self._answer(ask)

    def _note(self, change: Change) -> None:
        about = change.obj.get("involvedObject", {}).get("uid", "")
        events = self._events.setdefault(about, {})
        uid = change.obj["metadata"]["uid"]
        if change.kind != DELETED:
            events[uid] = change.obj
        elif events.pop(uid, None) and not events:
            del self._events[about]

    def _answer(self, ask: Ask) -> None:
        with self._lock:
            self._answered |= {ask}
        self._learned()

    def _read_all(self) -> None:
        while ask := self._to_read.get():
            # Evidence that cannot be had must not cost the wait.
            with contextlib.suppress(EngineError):
                _READERS[ask.what](self, ask)
            self._forget_old()
            self._answer(ask)
        self._channel.close()

    def _forget_old(self) -> None:
        """Forget what nobody has asked for in a long time."""
        with self._lock:
            old = {ask for ask, at in self._asked.items() if at < time.monotonic() - _KEPT}
            self._answered -= old
            for ask in old:
                del self._asked[ask]
                self._logs.pop(ask, None)
                self._exists.pop(ask, None)

    def _read_log(self, ask: Ask) -> None:
        """Read the last lines of a container's log."""
        path = f"{POD.path(ask.namespace, ask.name)}/log"
        query = {"container": ask.container, "tailLines": _LOG_LINES, "limitBytes": _LOG_BYTES}
        if ask.restarts:
            query["previous"] = "true"
        action = f"read the log of pod {ask.name} in namespace {ask.namespace}"
        with contextlib.closing(self._channel.watch(path, query, action=action, read_timeout=_READ_TIMEOUT)) as log:
            text = b"".join(log).decode(errors="replace")
        self._logs[ask] = tuple(masked(line) for line in text.splitlines() if line.strip())

    def _get(self, path: str, query: dict[str, str], action: str) -> Object:
        return self._channel.get(path, query, action=action, read_timeout=_READ_TIMEOUT)

    def _read_class(self, ask: Ask) -> None:
        """Read a storage class; None if there is none."""
        try:
            path = STORAGE_CLASS.path(name=ask.name)
            self._classes[ask.name] = self._get(path, {}, f"read StorageClass {ask.name}")
        except NotFoundError:
            self._classes[ask.name] = None

    def _look_for(self, ask: Ask) -> None:
        """See whether an object exists; what it holds is of no interest."""
        try:
            self._get(_LOOKED_FOR[ask.what].path(ask.namespace, ask.name), {}, f"look for {ask.what} {ask.name}")
            self._exists[ask] = True
        except NotFoundError:
            self._exists[ask] = False

    def _read_pods(self, ask: Ask) -> None:
        """Read what the pods of a node request."""
        query = {"fieldSelector": f"spec.nodeName={ask.name},status.phase!=Succeeded,status.phase!=Failed"}
        pods = self._get(POD.path(), query, f"list the pods of node {ask.name}")["items"]
        used = {"pods": float(len(pods))}
        for pod in pods:
            for name, amount in requests(pod).items():
                used[name] = used.get(name, 0.0) + amount
        self._used[ask.name] = used

    def evidence(
        self, target: Target, objects: t.Iterable[Object], restarts: t.Mapping[tuple[str, str], int]
    ) -> Evidence:
        """Return what is known of a target and of what it controls."""
        if not self._asked:
            return Evidence(restarts=restarts)
        with self._lock:
            uids = {target.uid, *(each["metadata"]["uid"] for each in objects)}
            own = [event for uid in uids for event in self._events.get(uid, {}).values()]
            return Evidence(
                events=own + self._of_claims(uids),
                nodes=self._nodes,
                logs=dict(self._logs),
                classes=dict(self._classes),
                exists=dict(self._exists),
                used=dict(self._used),
                restarts=restarts,
                answered=self._answered,
            )

    def _of_claims(self, but: set[str]) -> list[Object]:
        """Return the events of all claims: their names tell whose they are."""
        return [
            event
            for uid, events in self._events.items()
            for event in events.values()
            if uid not in but and event["involvedObject"].get("kind") == "PersistentVolumeClaim"
        ]

    def close(self) -> None:
        """End all threads."""
        with self._lock:
            self._closed = True
            streams = list(self._streams.values())
        for stream in streams:
            stream.stop()
        self._to_read.put(None)
        self._channel.cut()
        for thread in (*streams, self._reader):
            if thread:
                thread.join()


_READERS: dict[str, t.Callable[[Inspector, Ask], None]] = {
    "log": Inspector._read_log,
    "class": Inspector._read_class,
    "pods": Inspector._read_pods,
    **dict.fromkeys(_LOOKED_FOR, Inspector._look_for),
}
