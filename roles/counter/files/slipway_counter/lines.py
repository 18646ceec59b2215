"""Connections to Redis and to Sentinels: each with the credentials of the moment, and no command is ever sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

from redis.asyncio.connection import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

if t.TYPE_CHECKING:
    from pathlib import Path

    from .outcomes import Command
    from .settings import Address

# UnicodeError: of a file of credentials that is no text.
_FAILURES = (RedisError, OSError, TimeoutError, UnicodeError)


class NotSentError(Exception):
    """A command that never left: nothing has come of it."""


class UnansweredError(Exception):
    """A command that was sent and not answered: what has come of it is not known."""


class Credentials(CredentialProvider):
    """The files of a directory, read for each new connection: a password that was changed is used from then on."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def get_credentials(self) -> tuple[str, str]:
        """Return name and password. :raises OSError: if they cannot be read."""
        return self._read("username") or "default", self._read("password")

    def _read(self, name: str) -> str:
        return (self._home / name).read_text(encoding="utf-8").removesuffix("\n")


class Lines:
    """Connections to one server, at most so many; ``connecting`` are the seconds in which there must be one."""

    def __init__(
        self, address: Address, credentials: CredentialProvider | None, *, connecting: float, most: int = 1
    ) -> None:
        self.address = address
        self._connecting = connecting
        self._pool = BlockingConnectionPool(
            max_connections=most,
            timeout=None,  # as below: each request has a limit for all its steps together
            host=address.host,
            port=address.port,
            credential_provider=credentials,
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=connecting,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._unsent: set[asyncio.Timeout] = set()
        self._sent: set[asyncio.Timeout] = set()
        self._closed = False

    async def ask(self, commands: t.Sequence[Command], *, within: float) -> list[t.Any]:
        """Send all of these at once; return their replies, of which an error that ends the connection is the last.

        :raises NotSentError: if there is no connection.
        :raises UnansweredError: if it breaks, or not all has come within so many seconds.
        """
        connection = await self._connected()
        try:
            async with _limit(self._sent, within):
                await connection.send_packed_command(connection.pack_commands(commands))
                return await _replies(connection, len(commands))
        except _FAILURES as error:
            await self.renew()  # what is idle is most likely as dead
            raise UnansweredError(f"no answer of {self.address}: {_said(error)}") from error
        finally:
            if self._closed:
                await connection.disconnect(nowait=True)
            await self._pool.release(connection)

    async def renew(self) -> None:
        """Have new connections from now on: the address may lead somewhere else."""
        with contextlib.suppress(*_FAILURES):
            await self._pool.disconnect(inuse_connections=False)

    async def close(self, *, within: float = 0) -> None:
        """Give up what is not sent, and within so many seconds what is."""
        self._closed = True
        now = asyncio.get_running_loop().time()
        for limits, until in ((self._unsent, now), (self._sent, now + within)):
            for limit in limits:
                if not limit.expired() and (limit.when() or until) > until:
                    limit.reschedule(until)
        await self.renew()

    async def _connected(self) -> t.Any:
        try:
            async with _limit(self._unsent, self._connecting):
                return await self._pool.get_connection()
        except _FAILURES as error:
            raise NotSentError(f"no connection to {self.address}: {_said(error)}") from error


@contextlib.asynccontextmanager
async def _limit(limits: set[asyncio.Timeout], seconds: float) -> t.AsyncIterator[None]:
    async with asyncio.timeout(seconds) as limit:
        limits.add(limit)
        try:
            yield
        finally:
            limits.discard(limit)


async def _replies(connection: t.Any, count: int) -> list[t.Any]:
    replies: list[t.Any] = []
    while len(replies) < count and connection.is_connected:
        try:
            replies.append(await connection.read_response())
        except RedisError as error:
            if not isinstance(error, ResponseError) and not getattr(error, "status_code", None):
                raise
            replies.append(error)  # which is an answer too
    return replies


def _said(error: BaseException) -> str:
    return str(error) or "not in time"
