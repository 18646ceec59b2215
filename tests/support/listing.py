"""The listing as its readers meet it: who is there by an independent watch, what is read, how requests end.

All times are seconds of `time.monotonic()` unless said otherwise.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import math
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from statistics import quantiles
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

from tests.support.ansible import clean_environment
from tests.support.neighbours import known, moved
from tests.support.paths import BUNDLE_BIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.support.kubernetes import Object

LONGEST = 2.0  # a request that takes longer has failed
APART = 3.0  # a change that comes no sooner after another is an isolated one
LEAVE = 10.0  # for threads to end
RESET = "reset"


class Endpoint(NamedTuple):
    """A pod as it is listed."""

    ip: str
    pod: str
    node: str


Endpoints = frozenset[Endpoint]


@dataclass(frozen=True, slots=True)
class State:
    """Who was ready from a moment on, as the EndpointSlices of this revision say."""

    at: float
    revision: int
    endpoints: Endpoints


@dataclass(frozen=True, slots=True)
class Read:
    """A listing that was read."""

    began: float
    ended: float
    generation: int
    endpoints: Endpoints


@dataclass(frozen=True, slots=True)
class Request:
    """One request over a connection of its own; `outcome` is the status, else how it failed."""

    began: float
    seconds: float
    outcome: str

    @property
    def ended(self) -> float:
        """When it was over."""
        return self.began + self.seconds

    @property
    def good(self) -> bool:
        """Whether its user got the page in time."""
        return self.outcome == "200" and self.seconds <= LONGEST


# -- what follows from observations: pure --------------------------------------------------------------------------


def ready_endpoints(slices: Iterable[Mapping[str, Any]]) -> Endpoints:
    """Who is ready by these EndpointSlices."""
    return frozenset(
        Endpoint(address, each["targetRef"]["name"], each.get("nodeName", ""))
        for piece in slices
        for each in piece.get("endpoints") or []
        if each.get("conditions", {}).get("ready")
        for address in each["addresses"]
    )


def listed(document: Mapping[str, Any]) -> Endpoints:
    """Who is on a listing, or an entry of its history."""
    return frozenset(Endpoint(each["ip"], each["pod"], each["node"]) for each in document["endpoints"])


def changes(states: Iterable[State]) -> list[State]:
    """The states that differ from the one before; the first differs from nothing."""
    return [next(group) for _, group in itertools.groupby(states, key=lambda state: state.endpoints)]


def isolated(states: Sequence[State], apart: float = APART) -> list[State]:
    """The changes that came so many seconds after the one before and before the one after; the first is none."""
    ends = [*(state.at for state in states[2:]), math.inf]
    return [
        state
        for before, state, end in zip(states, states[1:], ends, strict=False)
        if min(state.at - before.at, end - state.at) >= apart
    ]


def lag(state: State, until: float, reads: Iterable[Read]) -> float | None:
    """Seconds from a change to the end of the first read from which on all that began before `until` show it.

    None where the last of them does not show it, or there is none.
    """
    since: float | None = None
    for read in sorted(reads, key=lambda each: each.began):
        if not state.at <= read.began < until:
            continue
        if read.endpoints != state.endpoints:
            since = None
        elif since is None:
            since = read.ended
    return None if since is None else since - state.at


def lasting(states: Sequence[State], seconds: float, *, end: float) -> list[State]:
    """The states that lasted so long, up to `end`."""
    ends = [*(state.at for state in states[1:]), end]
    return [state for state, over in zip(states, ends, strict=True) if over - state.at >= seconds]


def resumed(reads: Iterable[Read], at: float) -> float | None:
    """Seconds from a moment until a listing was read that is newer than all that were read before it; None: never."""
    reads = list(reads)
    highest = max((read.generation for read in reads if read.ended <= at), default=0)
    return min((read.ended - at for read in reads if read.ended > at and read.generation > highest), default=None)


def regressions(reads: Iterable[Read], grace: float) -> list[tuple[int, int]]:
    """Generations that were read after a higher one had been, by a read that began more than `grace` seconds later."""
    found: list[tuple[int, int]] = []
    ordered = sorted(reads, key=lambda each: each.ended)
    ends = [read.ended for read in ordered]
    highest = list(itertools.accumulate((read.generation for read in ordered), max))
    for read in sorted(ordered, key=lambda each: each.began):
        before = bisect_right(ends, read.began - grace)
        if before and highest[before - 1] > read.generation:
            found.append((highest[before - 1], read.generation))
    return found


def judged(requests: Iterable[Request], moves: Sequence[float], slack: float) -> tuple[list[Request], Counter[float]]:
    """The requests that failed, and apart from them, by the move, those that a move of the address has reset.

    A request counts as open at a move that it was within `slack` seconds of.
    """
    failed: list[Request] = []
    apart: Counter[float] = Counter()
    for request in requests:
        if request.good:
            continue
        met = [move for move in moves if request.began - slack <= move <= request.ended + slack]
        if request.outcome == RESET and met:
            apart[met[0]] += 1
        else:
            failed.append(request)
    return failed, apart


def outage(requests: Iterable[Request], good: int) -> float | None:
    """Seconds from the first request that failed to the first of so many good ones in a row, as they were begun.

    0 where none failed, None where there are not so many good ones.
    """
    ordered = sorted(requests, key=lambda each: each.began)
    first = next((request.began for request in ordered if not request.good), None)
    if first is None:
        return 0.0
    row: list[Request] = []
    for request in ordered:
        row = [*row, request] if request.good and request.began >= first else []
        if len(row) == good:
            return row[0].began - first
    return None


def p95(values: Sequence[float]) -> float:
    """The value that 95 of 100 do not exceed."""
    return max(values) if len(values) < 20 else quantiles(values, n=20, method="inclusive")[-1]


def told(requests: Iterable[Request]) -> str:
    """Requests in words: how many ended how."""
    outcomes = Counter(each.outcome if each.good or each.outcome != "200" else "late" for each in requests)
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()) or "none"


# -- what observes -------------------------------------------------------------------------------------------------


def connection_to(url: str, *, port: int = 0, timeout: float = LONGEST) -> http.client.HTTPConnection:
    """A connection from a port, by default any; it is made when it is needed."""
    where = urlsplit(url)
    return http.client.HTTPConnection(
        where.hostname or "", where.port or 80, timeout=timeout, source_address=("", port) if port else None
    )


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes, dict[str, str]]:
    """The status, body and headers of one GET over a connection, which is closed from here then.

    Who closes keeps the port for a minute. Were it the server, ports would come back in seconds, and a node that took
    over an address might take the rest of a connection for that of an older one, and drop it.
    """
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}


def failure(error: Exception) -> str:
    """How a request failed, in a word; it is raised again if it is no failure of one."""
    words: list[tuple[type[Exception], str]] = [
        (ConnectionRefusedError, "refused"),
        (ConnectionError, RESET),  # http.client's RemoteDisconnected too
        (TimeoutError, "timeout"),
        (http.client.HTTPException, "cut"),
        (OSError, "unreachable"),
    ]
    for kind, word in words:
        if isinstance(error, kind):
            return word
    raise error


def sent(connection: http.client.HTTPConnection, path: str) -> Request:
    """Send one request and see how it ends."""
    began = time.monotonic()
    try:
        outcome = str(ask(connection, path)[0])
    except (OSError, http.client.HTTPException) as error:
        outcome = failure(error)
    return Request(began, time.monotonic() - began, outcome)


@dataclass
class Beside(ABC):
    """What goes on beside a test, in threads, while it is entered; `_process` is what one of them may wait for."""

    _over: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _threads: list[threading.Thread] = field(default_factory=list, init=False, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=job, daemon=True) for job in self._jobs()]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._over.set()
        if self._process:
            self._process.kill()
        for thread in self._threads:
            thread.join(LEAVE)
        if self._process:
            self._process.wait()

    @abstractmethod
    def _jobs(self) -> Iterable[Callable[[], None]]:
        """What the threads do, each until `_over` is set."""


@dataclass
class Load(Beside):
    """Requests at a steady rate, each over a new connection and sent once, by threads beside a test."""

    url: str
    rate: float = 100.0
    clients: int = 25
    path: str = "/"
    requests: list[Request] = field(default_factory=list)

    def since(self, began: float) -> list[Request]:
        """Those that were begun since then and are over."""
        return [each for each in list(self.requests) if each.began >= began]

    def _jobs(self) -> Iterable[Callable[[], None]]:
        start = time.monotonic()
        return [partial(self._run, start + number / self.rate) for number in range(self.clients)]

    def _run(self, turn: float) -> None:
        """Send one at each turn; turns that a slow one took are left out."""
        step = self.clients / self.rate
        while not self._over.wait(max(0.0, turn - time.monotonic())):
            self.requests.append(sent(connection_to(self.url), self.path))
            turn += step * max(1, -(-(time.monotonic() - turn) // step))


@dataclass
class Reader(Beside):
    """Reads the listing again and again; what cannot be read is among `requests` only."""

    url: str
    every: float = 0.03
    reads: list[Read] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)

    def _jobs(self) -> Iterable[Callable[[], None]]:
        return [self._run]

    def _run(self) -> None:
        while not self._over.wait(self.every):
            began = time.monotonic()
            try:
                status, body, headers = ask(connection_to(self.url), "/index.json")
                outcome = str(status)
            except (OSError, http.client.HTTPException) as error:
                outcome = failure(error)
            ended = time.monotonic()
            self.requests.append(Request(began, ended - began, outcome))
            if outcome == "200":
                document = json.loads(body)
                self.states[headers.get("x-listing-state", "")] += 1
                self.reads.append(Read(began, ended, document["generation"], listed(document)))


@dataclass
class Watcher(Beside):
    """Who is ready, by a watch of kubectl, which has nothing in common with the publisher."""

    kubeconfig: Path
    namespace: str
    service: str
    states: list[State] = field(default_factory=list)

    @property
    def now(self) -> Endpoints:
        """Who is ready; nobody before the first answer."""
        return self.states[-1].endpoints if self.states else frozenset()

    def _jobs(self) -> Iterable[Callable[[], None]]:
        return [self._run]

    def _run(self) -> None:
        """Watch; where the watch ends, begin anew: it first shows what there is."""
        while not self._over.wait(0.2):
            with subprocess.Popen(
                self._command(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment()
            ) as self._process:
                assert self._process.stdout
                slices: dict[str, Object] = {}
                for line in self._process.stdout:
                    take(slices, self.states, json.loads(line), time.monotonic())
                self._process.kill()

    def _command(self) -> list[str]:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        query = f"watch=true&labelSelector=kubernetes.io%2Fservice-name%3D{self.service}"
        kubectl = [str(BUNDLE_BIN / "kubectl"), f"--kubeconfig={self.kubeconfig}", "get", f"--raw={path}?{query}"]
        return ["setpriv", "--pdeathsig", "KILL", *kubectl]


def take(slices: dict[str, Object], states: list[State], event: Mapping[str, Any], at: float) -> None:
    """Apply an event of a watch to the slices, and note the state that follows; what is no slice is left out."""
    piece = event["object"]
    if piece.get("kind") != "EndpointSlice":
        return
    name = piece["metadata"]["name"]
    if event["type"] == "DELETED":
        slices.pop(name, None)
    else:
        slices[name] = piece
    states.append(State(at, int(piece["metadata"]["resourceVersion"]), ready_endpoints(slices.values())))


@dataclass
class Moves(Beside):
    """When an address changed its machine, by this machine's table of neighbours."""

    address: str
    hardware: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "ip", "monitor", "neigh"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.hardware = known(self.address)
        return super().__enter__()

    def _jobs(self) -> Iterable[Callable[[], None]]:
        return [self._run]

    def _run(self) -> None:
        assert self._process
        assert self._process.stdout
        for line in self._process.stdout:
            for hardware in moved([line.decode()], self.address):
                if self.hardware[-1:] != [hardware]:
                    self.hardware.append(hardware)
                    self.times.append(time.monotonic())


def history(url: str, *, after: int = 0) -> list[Mapping[str, Any]]:
    """The entries of the history with a generation above `after`, as the table of contents names them, newest first."""
    rows = json.loads(_body(url, "/history/latest.json"))["entries"]
    return [json.loads(_body(url, f"/{row['key']}")) for row in rows if row["generation"] > after]


def unlike_a_history(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with entries, newest first: their generations and times grow, and no two tell the same."""
    pairs: Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]] = itertools.pairwise(entries)
    rules: list[tuple[str, Callable[[Mapping[str, Any], Mapping[str, Any]], bool]]] = [
        ("generation", lambda new, old: new["generation"] > old["generation"]),
        ("time", lambda new, old: new["at"] > old["at"]),
        ("change", lambda new, old: listed(new) != listed(old)),
    ]
    return [
        f"{old['generation']} to {new['generation']}: no {what}"
        for new, old in pairs
        for what, holds in rules
        if not holds(new, old)
    ]


def missing(states: Iterable[State], entries: Iterable[Mapping[str, Any]]) -> list[State]:
    """The states that no entry of a history tells of."""
    known = {listed(entry) for entry in entries}
    return [state for state in states if state.endpoints not in known]


def _body(url: str, path: str) -> bytes:
    status, body, _headers = ask(connection_to(url, timeout=5), path)
    assert status == 200, f"{path}: {status}"
    return body
