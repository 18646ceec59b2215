"""Who calls: the name in the client's certificate, or that of its token where tokens are asked for."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import logging
import re
import typing as t
from contextvars import ContextVar

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from .reread import Reread

if t.TYPE_CHECKING:
    from pathlib import Path

    from google.protobuf.message import Message

    Context = grpc.aio.ServicerContext[t.Any, t.Any]

log = logging.getLogger(__name__)

DOMAIN = "slipway.dev"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMMON_NAME = "x509_common_name"
_caller: ContextVar[str] = ContextVar("caller", default="")  # each call is a task of its own


class TokensError(Exception):
    """The file of tokens cannot be used."""


class RefusedError(Exception):
    """A caller whose name is not known; ``reason`` is that of ErrorInfo."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def caller(context: Context) -> str:
    """Return the name of who calls; empty if it has none, but then its call was refused."""
    return _caller.get() or common_name(context)


def common_name(context: Context) -> str:
    """Return the common name in the client's certificate, empty without one."""
    return next((name.decode(errors="replace") for name in context.auth_context().get(_COMMON_NAME, ())), "")


def parse_tokens(text: str) -> dict[str, str]:
    """Return the name by each hash of a token. :raises ValueError: if the text is not what the settings describe."""
    names = json.loads(text)
    if not isinstance(names, dict):
        raise ValueError('it is no JSON object {"name": "SHA-256 of the token in hex"}')
    wrong = [name for name, digest in names.items() if not name or not _DIGEST.fullmatch(str(digest).lower())]
    if wrong:
        raise ValueError(f"no SHA-256 in hex, 64 digits, for: {', '.join(map(repr, wrong))}")
    by_digest = {digest.lower(): name for name, digest in names.items()}
    if len(by_digest) < len(names):
        raise ValueError("two names have the same token")
    return by_digest


def bearer(values: t.Sequence[str | bytes]) -> str:
    """Return the token in the values of the metadatum authorization. :raises RefusedError: if there is not one."""
    if not values:
        raise RefusedError("TOKEN_MISSING", "This worker wants a token too: send metadata authorization: Bearer TOKEN.")
    value = values[0] if isinstance(values[0], str) else values[0].decode(errors="replace")
    scheme, _, token = value.partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise RefusedError("TOKEN_INVALID", "Send one metadatum authorization, of the form Bearer TOKEN.")
    return token.strip()


def named(token: str, names: t.Mapping[str, str]) -> str:
    """Return whose token it is, in a time that tells nothing of the right ones. :raises RefusedError: if nobody's."""
    digest = hashlib.sha256(token.encode(errors="replace")).hexdigest()
    found = [name for known, name in names.items() if hmac.compare_digest(known, digest)]
    if not found:
        raise RefusedError("TOKEN_INVALID", "The token is none that this worker knows: ask who runs it for another.")
    return found[0]


class Gate:
    """Lets in who has a name. :raises TokensError: if there is a file of tokens that cannot be used at first."""

    def __init__(self, tokens: Path | None) -> None:
        self._path = tokens
        try:
            self._tokens = tokens and Reread([tokens], lambda: parse_tokens(tokens.read_text()), self._warn)
        except (OSError, ValueError) as error:
            raise TokensError(f"The tokens in {tokens} (SLIPWAY_TOKENS_FILE) cannot be used: {error}.") from error

    async def admit(self, context: Context) -> None:
        """Note who calls. Aborts a call without a name by UNAUTHENTICATED."""
        try:
            _caller.set(self._name(context))
        except RefusedError as error:
            await context.abort_with_status(refusal(grpc.StatusCode.UNAUTHENTICATED, error.reason, str(error)))

    def _name(self, context: Context) -> str:
        if self._tokens:
            values = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
            return named(bearer(values), self._tokens.get())
        name = common_name(context)
        if not name:
            raise RefusedError("NAME_MISSING", "The client's certificate has no common name: have one made that has.")
        return name

    def _warn(self, error: Exception) -> None:
        log.warning("Going on with the tokens as they were: those in %s cannot be used: %s", self._path, error)


def refusal(code: grpc.StatusCode, reason: str, message: str, *, retry_after: float | None = None) -> grpc.Status:
    """Return the status of a call that the service proper never sees; ``retry_after`` in seconds."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)]
    if retry_after is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=dt.timedelta(seconds=retry_after)))
    status = status_pb2.Status(code=code.value[0], message=message, details=map(_packed, details))
    return t.cast(grpc.Status, rpc_status.to_status(status))


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
