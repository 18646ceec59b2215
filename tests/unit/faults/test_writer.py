"""The writers: what they send, how they read answers, and what they note."""

from __future__ import annotations

import io
import json
import threading
from dataclasses import asdict
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import pods
from tests.faults.history import INFO, NO, OK, parsed
from tests.faults.writer import (
    Client,
    Journal,
    Plan,
    RefusedError,
    RespError,
    UnsureError,
    Writer,
    decoded,
    encoded,
    host_port,
    judged,
    majority,
    word,
)

if TYPE_CHECKING:
    from pathlib import Path

QUEUED = ["OK", "QUEUED", "QUEUED"]


def test_encoded() -> None:
    assert encoded("INCR", "ü", 7) == b"*3\r\n$4\r\nINCR\r\n$2\r\n\xc3\xbc\r\n$1\r\n7\r\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"+OK\r\n", "OK"),
        (b":-3\r\n", -3),
        (b"$3\r\na\nb\r\n", "a\nb"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*2\r\n:1\r\n*1\r\n$0\r\n\r\n", [1, [""]]),
    ],
)
def test_decoded(raw: bytes, expected: object) -> None:
    assert decoded(io.BytesIO(raw)) == expected


def test_an_error_is_an_answer() -> None:
    [error] = decoded(io.BytesIO(b"*1\r\n-READONLY You can't write\r\n"))
    assert isinstance(error, RespError)
    assert error.code == "READONLY"


@pytest.mark.parametrize("raw", [b"", b"+O", b":1", b"$5\r\nab\r\n", b"*1\r\n", b"HTTP/1.1 400\r\n"])
def test_what_is_cut_off(raw: bytes) -> None:
    with pytest.raises(ConnectionError):
        decoded(io.BytesIO(raw))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("READONLY You can't write against a read only replica.", "READONLY"),
        ("EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas", "NOREPLICAS"),
        ("EXECABORT Transaction discarded because of previous errors.", "EXECABORT"),
    ],
)
def test_code_of_an_error(text: str, code: str) -> None:
    assert RespError(text).code == code


@pytest.mark.parametrize(
    ("answers", "wait", "expected"),
    [
        ([*QUEUED, [7, 3]], 0, 7),
        ([*QUEUED, [7, 3], 1], 1, 7),
        ([*QUEUED, [7, 3], 2], 1, 7),
        ([*QUEUED, [7, 3], 0], 1, UnsureError("too-few-replicas")),
        ([*QUEUED, [7, 3], RespError("UNBLOCKED force unblock")], 1, UnsureError("UNBLOCKED")),
        ([*QUEUED, [7, RespError("OOM")]], 0, UnsureError("OOM")),
        ([*QUEUED, None, 0], 1, UnsureError("ABORTED")),
        ([*QUEUED, RespError("READONLY")], 0, RefusedError("READONLY")),
        (["OK", RespError("NOREPLICAS"), "QUEUED", RespError("EXECABORT"), 0], 1, RefusedError("NOREPLICAS")),
        ([RespError("LOADING")] * 4, 0, RefusedError("LOADING")),
    ],
)
def test_judged(answers: list[Any], wait: int, expected: int | Exception) -> None:
    if isinstance(expected, int):
        assert judged(answers, wait) == expected
        return
    with pytest.raises(type(expected)) as caught:
        judged(answers, wait)
    assert str(caught.value) == str(expected)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["a", "a", "b"], "a"),
        (["a", "b", "b"], "b"),
        (["a", "a", None], "a"),
        (["a", None, None], None),
        (["a", "b", None], None),
        ([None, None, None], None),
    ],
)
def test_majority(answers: list[str | None], expected: str | None) -> None:
    assert majority(answers, 3) == expected


def test_host_port() -> None:
    assert host_port("10.0.0.1:6379") == ("10.0.0.1", 6379)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(), "refused"),
        (ConnectionResetError(), "reset"),
        (RemoteDisconnected(""), "reset"),
        (TimeoutError(), "timeout"),
        (OSError(113, "No route to host"), "unreachable"),
    ],
)
def test_word(error: Exception, expected: str) -> None:
    assert word(error) == expected


def test_plan_is_read_as_it_was_written() -> None:
    clients = (Client("aware", "sentinel"), Client("plain", "address", ("10.0.0.1:6379",), writers=4, early=True))
    plan = Plan("abc", "redis-redis", ("10.0.0.2:26379",), clients, listen=True)
    assert Plan.of(json.loads(pods.document(plan))) == plan
    assert Plan.of(asdict(Plan("abc"))) == Plan("abc")


class Script:
    """A target that answers what it is told to, then has it over."""

    def __init__(self, over: threading.Event, *answers: int | Exception) -> None:
        self.answers, self.over, self.value = list(answers), over, 0

    def write(self, number: int) -> int:
        assert number
        answer = self.answers.pop(0)
        if not self.answers:
            self.over.set()
        if isinstance(answer, Exception):
            raise answer
        self.value = answer
        return answer

    def read(self) -> int | None:
        return self.value


def test_writer_notes_before_and_after(tmp_path: Path) -> None:
    over, journal = threading.Event(), Journal(tmp_path)
    answers = [RefusedError("READONLY"), UnsureError("timeout"), *range(1, 11)]
    Writer(Client("aware", "sentinel", writers=1, rate=1000), 0, Script(over, *answers), journal, over).run()
    journal.tell()
    history = parsed((tmp_path / "journal").read_text().splitlines(keepends=True))
    assert [(op.number, op.outcome, op.value, op.why) for op in history.ops] == [
        (1, NO, 0, "READONLY"),
        (2, INFO, 0, "timeout"),
        *((number, OK, number - 2, "") for number in range(3, 13)),
    ]
    assert all(op.began <= op.ended for op in history.ops)
    assert [read.value for read in history.reads] == [8]
    status = json.loads((tmp_path / "status").read_text())
    assert status == {"aware": {"acks": 10, "last": history.ops[-1].ended}}
