"""Writers that record what they sent and what was acknowledged: the one file of the harness that runs in pods too.

    python3 writer.py write PLAN.json DIRECTORY     until DIRECTORY/stop is there, or SIGTERM; --stay: until SIGTERM
    python3 writer.py stored PLAN.json              what Redis has of them, as JSON; --delete: and forget it there

A plan is {"run": id, "master_name": name, "sentinels": [host:port, ...], "clients": [Client, ...], "listen": true}. The
journal is DIRECTORY/journal, a JSON list a line; times are seconds since the epoch:

    ["i", time, client, writer, number]                      is about to be sent
    ["o", time, client, writer, number, outcome, detail]     ok and the value, no (refused, surely not stored) and why,
                                                             or info (nobody knows) and why
    ["r", began, time, client, writer, value]                a read
    ["e", time, sentinel, channel, message]                  an event of a Sentinel

Python's own library only: it runs in the image of whatever Redis is tested.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECRET = Path(os.environ.get("FAULTS_SECRET", "/etc/faults/redis"))
ANSWER = 1.0  # seconds that a command or a request may take
CONNECT = 0.5
ASK = 0.5  # seconds that a Sentinel may take
WAIT_MS = 500  # that replicas may take to have what was written
PAUSE = 0.05  # seconds before one who failed tries again
LATE = 1.0  # seconds of turns that a writer makes up for: slow answers make it late, but hold back no load
HASTE = 2  # times its rate, at which it does so
ASKED = 32  # questions to Sentinels at once, should none of them be answered in time
FRESH = 0.1  # seconds for which all of a process go by what the Sentinels said
READ_EVERY = 10  # writes
TOLD_EVERY = 0.2  # seconds between two states of the file that tells how it goes
CHANNELS = ("+switch-master", "+sdown", "-sdown", "+odown", "-odown", "+tilt", "-tilt")


class RefusedError(Exception):
    """What was asked has surely not been done; the message says why in a word."""


class UnsureError(Exception):
    """What was asked may have been done or not; the message says why in a word."""


class RespError(Exception):
    """An error that Redis answered; its first word is its code."""

    @property
    def code(self) -> str:
        """Its first word, or that of the error for which a transaction was not done."""
        return str(self).rpartition("because of: ")[2].split(" ", 1)[0]


@dataclass(frozen=True)
class Client:
    """Some writers who reach Redis in the same way.

    ``via``: ``sentinel`` (the address that most Sentinels name), ``address`` (always the first of ``at``), or
    ``counter`` (HTTP, the first of ``at``; a request is repeated until it is answered). ``rate`` is of all writers
    together, a second. ``wait``: replicas that must have a write before it counts as acknowledged. ``early``
    acknowledges before the answer, which is wrong: a control.
    """

    name: str
    via: str
    at: tuple[str, ...] = ()
    writers: int = 8
    rate: float = 240.0
    wait: int = 1
    early: bool = False


@dataclass(frozen=True)
class Plan:
    """What one process writes."""

    run: str
    master_name: str = ""
    sentinels: tuple[str, ...] = ()
    clients: tuple[Client, ...] = ()
    listen: bool = False  # whether to note what the Sentinels tell

    @classmethod
    def of(cls, document: dict[str, Any]) -> Plan:
        """The plan in a JSON document."""
        clients = tuple(Client(**{**each, "at": tuple(each.get("at", ()))}) for each in document["clients"])
        return cls(**{**document, "sentinels": tuple(document["sentinels"]), "clients": clients})


# -- Redis' protocol -----------------------------------------------------------------------------------------------


def encoded(*words: str | int) -> bytes:
    """A command, https://redis.io/docs/reference/protocol-spec."""
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def decoded(stream: BinaryIO) -> Any:
    """The next answer; an error is returned, not raised. Raises `ConnectionError` where the stream ends."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionResetError("closed")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"+":
        return rest
    if kind == b"-":
        return RespError(rest)
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return _bulk(stream, int(rest))
    if kind == b"*":
        return None if rest == "-1" else [decoded(stream) for _ in range(int(rest))]
    raise ConnectionError(f"no answer of Redis: {line[:20]!r}")


def _bulk(stream: BinaryIO, size: int) -> str | None:
    if size < 0:
        return None
    body = stream.read(size + 2)
    if len(body) < size + 2:
        raise ConnectionResetError("closed")
    return body[:-2].decode()


def host_port(address: str) -> tuple[str, int]:
    """The two of ``host:port``."""
    host, _, port = address.rpartition(":")
    return host, int(port)


class Redis:
    """A connection, authenticated by the files ``username`` and ``password`` of the Secret."""

    def __init__(self, address: str, *, connect: float = CONNECT, answer: float | None = ANSWER) -> None:
        self._socket = socket.create_connection(host_port(address), connect)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(answer or ANSWER)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
                self._socket.setsockopt(socket.IPPROTO_TCP, option, 2)
            self._stream = self._socket.makefile("rb")
            greeting = self.ask([("AUTH", *credentials())])[0]
            if isinstance(greeting, RespError):
                raise greeting
            self._socket.settimeout(answer)
        except BaseException:
            self.close()
            raise

    def send(self, commands: Iterable[Sequence[str | int]]) -> None:
        """Send commands at once."""
        self._socket.sendall(b"".join(encoded(*command) for command in commands))

    def read(self) -> Any:
        """The next answer."""
        return decoded(self._stream)

    def ask(self, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        """Send commands and return all their answers."""
        self.send(commands)
        return [self.read() for _ in commands]

    def close(self) -> None:
        """End it."""
        self._socket.close()


def credentials() -> tuple[str, str]:
    """Who we are, read anew each time: passwords change."""
    username, password = ((SECRET / name).read_text() for name in ("username", "password"))
    return username, password


def majority(answers: Iterable[str | None], voters: int) -> str | None:
    """The address that more than half of all Sentinels name, whether they answered or not."""
    counted = Counter(answer for answer in answers if answer)
    best = counted.most_common(1)
    return best[0][0] if best and 2 * best[0][1] > voters else None


def named(sentinel: str, master_name: str) -> str | None:
    """The master's address as one Sentinel has it; None where it does not say."""
    try:
        with contextlib.closing(Redis(sentinel, connect=ASK, answer=ASK)) as connection:
            [answer] = connection.ask([("SENTINEL", "get-master-addr-by-name", master_name)])
    except (OSError, RespError):
        return None
    return ":".join(answer) if isinstance(answer, list) else None


class Master:
    """Where the master is, as most Sentinels have it; asked by one thread for all, who waits for no more than most."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._lock = threading.Lock()
        self._found: str | None = None
        self._at = 0.0
        self._threads = ThreadPoolExecutor(ASKED)

    def address(self) -> str:
        """Return it. Raises `RefusedError` where there is no majority."""
        with self._lock:
            if time.monotonic() - self._at > FRESH:
                self._found = self._ask()
                self._at = time.monotonic()
            if not self._found:
                raise RefusedError("no-majority")
            return self._found

    def _ask(self) -> str | None:
        voters, answers = self.plan.sentinels, list[str | None]()
        asked = [self._threads.submit(named, each, self.plan.master_name) for each in voters]
        for each in as_completed(asked):
            answers.append(each.result())
            if found := majority(answers, len(voters)):
                return found
        return None


# -- what is written, and where ------------------------------------------------------------------------------------


def value_key(run: str, client: str, writer: int) -> str:
    """The key that a writer counts up."""
    return f"faults:{run}:{client}:{writer}:value"


def log_key(run: str, client: str, writer: int) -> str:
    """The list of the numbers that a writer has written."""
    return f"faults:{run}:{client}:{writer}:log"


def judged(answers: Sequence[Any], wait: int) -> int:
    """The value that a write was acknowledged with, from the answers to MULTI, INCR, RPUSH, EXEC and WAIT.

    Raises `RefusedError` or `UnsureError`.
    """
    done = answers[3]
    if isinstance(done, RespError):
        first = next(each for each in answers if isinstance(each, RespError))
        raise RefusedError(first.code)
    wrong = next((each for each in done or [RespError("ABORTED")] if isinstance(each, RespError)), None)
    if wrong:
        raise UnsureError(wrong.code)  # one of the two may have been done
    if wait and (isinstance(answers[4], RespError) or answers[4] < wait):
        raise UnsureError(answers[4].code if isinstance(answers[4], RespError) else "too-few-replicas")
    return int(done[0])


class Target(Protocol):
    """Where a writer writes to."""

    def write(self, number: int) -> int:
        """Write it; return the value that acknowledges it. Raises `RefusedError` or `UnsureError`."""

    def read(self) -> int | None:
        """The value now; None where it cannot be read."""


@dataclass
class Direct:
    """One writer's connection to Redis, made anew after each failure."""

    plan: Plan
    client: Client
    writer: int
    master: Master
    _connection: Redis | None = None
    _sent: int = 0

    def write(self, number: int) -> int:
        """Count up and note the number, both or neither."""
        connection = self._connected()
        run, name = self.plan.run, self.client.name
        commands: list[tuple[str | int, ...]] = [
            ("MULTI",),
            ("INCR", value_key(run, name, self.writer)),
            ("RPUSH", log_key(run, name, self.writer), number),
            ("EXEC",),
        ]
        if self.client.wait:
            commands.append(("WAIT", self.client.wait, WAIT_MS))
        try:
            connection.send(commands)
            if self.client.early:
                return self._early(connection, len(commands))
            return judged([connection.read() for _ in commands], self.client.wait)
        except RefusedError:
            self._dropped()
            raise
        except UnsureError:
            self._dropped()
            raise
        except OSError as error:
            self._dropped()
            raise UnsureError(word(error)) from error

    def _early(self, connection: Redis, count: int) -> int:
        """Acknowledge what has been sent. What is answered is looked at by nobody but for the connection's sake."""
        self._sent += 1
        with contextlib.suppress(OSError):
            if not any(isinstance(connection.read(), RespError) for _ in range(count)):
                return self._sent
        self._dropped()
        return self._sent

    def read(self) -> int | None:
        """Read the value."""
        if not self._connection:
            return None
        try:
            [answer] = self._connection.ask([("GET", value_key(self.plan.run, self.client.name, self.writer))])
        except OSError:
            self._dropped()
            return None
        return None if isinstance(answer, RespError) else int(answer or 0)

    def _connected(self) -> Redis:
        if not self._connection:
            address = self.master.address() if self.client.via == "sentinel" else self.client.at[0]
            try:
                self._connection = Redis(address)
            except (OSError, RespError) as error:
                raise RefusedError(error.code if isinstance(error, RespError) else word(error)) from error
        return self._connection

    def _dropped(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None


@dataclass
class Counted:
    """One writer's way to the counter: a key for each number, sent again until it is answered or the writer is over."""

    plan: Plan
    client: Client
    writer: int
    over: threading.Event

    def write(self, number: int) -> int:
        """Count up once, by as many requests as it takes."""
        while True:
            try:
                return posted(self.client.at[0], key(self.plan.run, self.client.name, self.writer, number))
            except UnsureError:
                if self.over.wait(PAUSE):
                    raise

    def read(self) -> int | None:
        """Read the count."""
        with contextlib.suppress(UnsureError):
            return counted(self.client.at[0])
        return None


def key(run: str, client: str, writer: int, number: int) -> str:
    """The idempotency key of a write."""
    return f"{run}-{client}-{writer}-{number}"


def posted(address: str, name: str) -> int:
    """Count up by this key at the counter; return the count. Raises `UnsureError`."""
    return _requested(address, "POST", "/", {"Idempotency-Key": name})


def counted(address: str) -> int:
    """The count. Raises `UnsureError`."""
    return _requested(address, "GET", "/count", {})


def _requested(address: str, method: str, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(*host_port(address), timeout=ANSWER)
    try:
        connection.request(method, path, headers={"Connection": "close", **headers})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise UnsureError(str(answer.status))
        return int(json.loads(body)["count"])
    except (OSError, http.client.HTTPException) as error:
        raise UnsureError(word(error)) from error
    finally:
        connection.close()


def word(error: Exception) -> str:
    """How a connection failed, in a word."""
    words: list[tuple[type[Exception], str]] = [
        (ConnectionRefusedError, "refused"),
        (ConnectionError, "reset"),  # http.client's RemoteDisconnected too
        (TimeoutError, "timeout"),
        (http.client.HTTPException, "cut"),
        (OSError, "unreachable"),
    ]
    return next(text for kind, text in words if isinstance(error, kind))


# -- who writes ----------------------------------------------------------------------------------------------------


@dataclass
class Journal:
    """The file of what happened, and how many of each client were acknowledged."""

    directory: Path
    acks: Counter[str] = field(default_factory=Counter)
    last: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._file = (self.directory / "journal").open("w", buffering=1 << 16)

    def note(self, *line: Any) -> None:
        """Add a line."""
        text = json.dumps(line, separators=(",", ":")) + "\n"
        with self._lock:
            self._file.write(text)

    def acknowledged(self, client: str, at: float) -> None:
        """Count one."""
        with self._lock:
            self.acks[client] += 1
            self.last[client] = at

    def tell(self) -> None:
        """Have everything in the files."""
        with self._lock:
            self._file.flush()
            state = {name: {"acks": count, "last": self.last[name]} for name, count in self.acks.items()}
        beside = self.directory / "status.new"
        beside.write_text(json.dumps(state))
        beside.replace(self.directory / "status")


@dataclass
class Writer:
    """One who writes numbers in turns, each once, and notes before and after."""

    client: Client
    number: int
    target: Target
    journal: Journal
    over: threading.Event

    def run(self) -> None:
        """Write until it is over."""
        step = self.client.writers / self.client.rate
        turn = start = time.monotonic() + step * self.number / self.client.writers
        count = 0
        while not self.over.wait(max(0.0, start - time.monotonic())):
            began = time.monotonic()
            count += 1
            good = self.once(count)
            if good and count % READ_EVERY == 0:
                self.look()
            now = time.monotonic()
            turn = max(turn + step, now - LATE if good else now + PAUSE)
            start = max(turn, began + step / HASTE)

    def once(self, number: int) -> bool:
        """Write one number; return whether it was acknowledged."""
        who = (self.client.name, self.number, number)
        self.journal.note("i", time.time(), *who)
        try:
            outcome: tuple[str, int | str] = ("ok", self.target.write(number))
        except RefusedError as error:
            outcome = ("no", str(error))
        except UnsureError as error:
            outcome = ("info", str(error))
        now = time.time()
        self.journal.note("o", now, *who, *outcome)
        if outcome[0] == "ok":
            self.journal.acknowledged(self.client.name, now)
        return outcome[0] == "ok"

    def look(self) -> None:
        """Read."""
        began = time.time()
        value = self.target.read()
        if value is not None:
            self.journal.note("r", began, time.time(), self.client.name, self.number, value)


def listen(sentinel: str, journal: Journal, over: threading.Event) -> None:
    """Note the events of a Sentinel; subscribe again where that ends."""
    while not over.is_set():
        with contextlib.suppress(OSError, RespError), contextlib.closing(Redis(sentinel, answer=None)) as connection:
            connection.send([("SUBSCRIBE", *CHANNELS)])
            while not isinstance(event := connection.read(), RespError):
                if event[0] == "message":
                    journal.note("e", time.time(), sentinel, *event[1:])
        over.wait(ASK)


def write(plan: Plan, directory: Path, over: threading.Event) -> None:
    """Have all write until `over`, or the file ``stop``; in the end there is a file ``done``."""
    directory.mkdir(parents=True, exist_ok=True)
    journal, master = Journal(directory), Master(plan)
    threads = [
        threading.Thread(target=Writer(client, number, target(master, client, number, over), journal, over).run)
        for client in plan.clients
        for number in range(client.writers)
    ]
    heard = plan.sentinels if plan.listen else ()
    ears = [threading.Thread(target=listen, args=(each, journal, over), daemon=True) for each in heard]
    for thread in (*threads, *ears):
        thread.start()
    while not over.wait(TOLD_EVERY):
        journal.tell()
        if (directory / "stop").exists():
            over.set()
    for thread in threads:
        thread.join()
    journal.tell()
    (directory / "done").touch()


def target(master: Master, client: Client, number: int, over: threading.Event) -> Target:
    """The way of one writer."""
    if client.via == "counter":
        return Counted(master.plan, client, number, over)
    return Direct(master.plan, client, number, master)


def stored(plan: Plan, *, delete: bool = False) -> dict[str, list[list[int]]]:
    """The numbers that the master has of each writer of each client, in its order."""
    with contextlib.closing(Redis(Master(plan).address(), answer=10)) as connection:
        found: dict[str, list[list[int]]] = {}
        for client in plan.clients:
            keys = [log_key(plan.run, client.name, writer) for writer in range(client.writers)]
            answers = connection.ask([("LRANGE", each, 0, -1) for each in keys])
            found[client.name] = [[int(number) for number in answer] for answer in answers]
            if delete:
                values = [value_key(plan.run, client.name, writer) for writer in range(client.writers)]
                connection.ask([("DEL", *keys, *values)])
    return found


def main(arguments: Sequence[str]) -> int:
    """Do what the module's text says; return the exit code."""
    what, path, *rest = arguments
    plan = Plan.of(json.loads(Path(path).read_text()))
    if what == "stored":
        print(json.dumps(stored(plan, delete="--delete" in rest)))
        return 0
    over, told = threading.Event(), threading.Event()

    def end(*_: object) -> None:
        over.set()
        told.set()

    signal.signal(signal.SIGTERM, end)
    write(plan, Path(rest[0]), over)
    if "--stay" in rest:  # so that the journal can be read from the pod
        told.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
