"""Who calls: the name in the client's certificate, or that of its token where tokens are asked for."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import typing as t
from contextvars import ContextVar

import grpc

from .reread import Reread
from .status import Refusal

if t.TYPE_CHECKING:
    from pathlib import Path

    Context = grpc.aio.ServicerContext[t.Any, t.Any]

log = logging.getLogger(__name__)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMMON_NAME = "x509_common_name"
_caller: ContextVar[str] = ContextVar("caller", default="")  # each call is a task of its own


class TokensError(Exception):
    """The file of tokens cannot be used."""


def caller() -> str:
    """Return the name of whose call this task answers; empty if it has none, but then its call is refused."""
    return _caller.get()


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
    """Return the token in the values of the metadatum authorization. :raises Refusal: if there is not one."""
    if not values:
        raise _unknown("token_missing", "This worker wants a token too: send metadata authorization: Bearer TOKEN.")
    value = values[0] if isinstance(values[0], str) else values[0].decode(errors="replace")
    scheme, _, token = value.partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise _unknown("token_invalid", "Send one metadatum authorization, of the form Bearer TOKEN.")
    return token.strip()


def named(token: str, names: t.Mapping[str, str]) -> str:
    """Return whose token it is, in a time that tells nothing of the right ones. :raises Refusal: if nobody's."""
    digest = hashlib.sha256(token.encode(errors="replace")).hexdigest()
    found = [name for known, name in names.items() if hmac.compare_digest(known, digest)]
    if not found:
        raise _unknown("token_invalid", "The token is none that this worker knows: ask who runs it for another.")
    return found[0]


class Gate:
    """Lets in who has a name. :raises TokensError: if there is a file of tokens that cannot be used at first."""

    def __init__(self, tokens: Path | None) -> None:
        self._path = tokens
        try:
            self._tokens = tokens and Reread([tokens], lambda: parse_tokens(tokens.read_text()), self._warn)
        except (OSError, ValueError) as error:
            raise TokensError(f"The tokens in {tokens} (SLIPWAY_TOKENS_FILE) cannot be used: {error}.") from error

    def admit(self, context: Context) -> None:
        """Note who calls. :raises Refusal: UNAUTHENTICATED, if that cannot be told; noted is then the certificate's."""
        _caller.set(common_name(context))
        _caller.set(self._name(context))

    def _name(self, context: Context) -> str:
        if self._tokens:
            values = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
            return named(bearer(values), self._tokens.get())
        name = common_name(context)
        if not name:
            raise _unknown("name_missing", "The client's certificate has no common name: have one made that has.")
        return name

    def _warn(self, error: Exception) -> None:
        log.warning("Going on with the tokens as they were: those in %s cannot be used: %s", self._path, error)


def _unknown(reason: str, text: str) -> Refusal:
    return Refusal(reason, text, code=grpc.StatusCode.UNAUTHENTICATED)
