"""Who is let in, and under which name."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from slipway_worker.identity import Gate, TokensError, bearer, caller, named, parse_tokens
from slipway_worker.status import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Context = grpc.aio.ServicerContext[Any, Any]


def digest(token: str) -> str:
    """Return what the file of tokens has of one."""
    return hashlib.sha256(token.encode()).hexdigest()


class Call:
    """What a call brings along: the name in its certificate, and metadata."""

    def __init__(self, name: str = "driver", authorization: Sequence[str | bytes] = ()) -> None:
        self.name = name
        self.authorization = authorization

    def auth_context(self) -> dict[str, list[bytes]]:
        """As gRPC's."""
        return {"x509_common_name": [self.name.encode()]} if self.name else {}

    def invocation_metadata(self) -> list[tuple[str, str | bytes]]:
        """As gRPC's."""
        return [("user-agent", "test"), *(("authorization", value) for value in self.authorization)]


def admitted(gate: Gate, call: Call) -> str:
    """Return the name that a call goes by."""
    context = cast("Context", call)
    gate.admit(context)
    return caller()


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A file with the tokens of two."""
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({"alice": digest("a-token"), "bob": digest("b-token").upper()}))
    return path


def test_without_tokens_the_certificate_gives_the_name() -> None:
    assert admitted(Gate(None), Call("driver")) == "driver"


def test_a_certificate_without_a_name_is_not_let_in() -> None:
    with pytest.raises(Refusal, match="no common name") as error:
        admitted(Gate(None), Call(""))
    assert error.value.code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("name", ["driver", ""])
@pytest.mark.parametrize("value", ["Bearer b-token", "bearer  b-token ", b"Bearer  b-token"])
def test_with_tokens_the_token_gives_the_name(tokens: Path, name: str, value: str | bytes) -> None:
    assert admitted(Gate(tokens), Call(name, [value])) == "bob"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "TOKEN_MISSING"),
        (["Bearer c-token"], "TOKEN_INVALID"),
        (["Bearer "], "TOKEN_INVALID"),
        (["a-token"], "TOKEN_INVALID"),
        (["Basic a-token"], "TOKEN_INVALID"),
        ([f"Bearer {digest('a-token')}"], "TOKEN_INVALID"),
        (["Bearer a-token", "Bearer a-token"], "TOKEN_INVALID"),
        ([b"Bearer \xff"], "TOKEN_INVALID"),
    ],
)
def test_other_tokens_are_refused(tokens: Path, values: list[str | bytes], reason: str) -> None:
    with pytest.raises(Refusal) as error:
        admitted(Gate(tokens), Call("driver", values))
    status = error.value.status()
    assert status.code is grpc.StatusCode.UNAUTHENTICATED
    (details,) = (value for key, value in status.trailing_metadata or () if key == "grpc-status-details-bin")
    assert isinstance(details, bytes)
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(info)
    assert (info.reason, info.domain) == (reason, "slipway.dev")


def test_new_tokens_count_at_once_and_old_ones_no_longer(tokens: Path) -> None:
    gate = Gate(tokens)
    assert admitted(gate, Call(authorization=["Bearer a-token"])) == "alice"
    tokens.write_text(json.dumps({"carol": digest("c-token")}))
    assert admitted(gate, Call(authorization=["Bearer c-token"])) == "carol"
    with pytest.raises(Refusal):
        admitted(gate, Call(authorization=["Bearer a-token"]))


@pytest.mark.parametrize("text", ["", '{"carol": ', '{"carol": "c-token"}'])
def test_a_file_that_cannot_be_used_leaves_it_as_it_was(
    tokens: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    gate = Gate(tokens)
    tokens.write_text(text)
    for _ in range(2):
        assert admitted(gate, Call(authorization=["Bearer a-token"])) == "alice"
    (warning,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert "c-token" not in warning.getMessage()
    tokens.write_text(json.dumps({"carol": digest("c-token")}))
    assert admitted(gate, Call(authorization=["Bearer c-token"])) == "carol"


def test_the_file_must_be_right_at_first(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match="SLIPWAY_TOKENS_FILE"):
        Gate(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "no JSON object"),
        ('{"": "' + "0" * 64 + '"}', "64 digits, for: ''"),
        ('{"a": "' + "0" * 63 + '"}', "64 digits, for: 'a'"),
        ('{"a": 1, "b": null}', "64 digits, for: 'a', 'b'"),
        (json.dumps({"a": "f" * 64, "b": "F" * 64}), "two names have the same token"),
    ],
)
def test_what_is_wrong_with_tokens_is_said(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_tokens(text)


def test_pieces() -> None:
    assert bearer(["BEARER x y"]) == "x y"
    assert named("a", {digest("b"): "bob", digest("a"): "alice"}) == "alice"
