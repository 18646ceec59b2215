"""The count in Redis: what is answered is stored, and what is not known to be stored is not answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
import typing as t

from . import outcomes
from .lines import Credentials, Lines, NotSentError, UnansweredError
from .masters import Fixed, Sentinels
from .outcomes import Fate, Outcome

if t.TYPE_CHECKING:
    from .masters import Master
    from .metrics import Metrics
    from .outcomes import Command
    from .settings import Address, Settings

log = logging.getLogger(__name__)

_PAUSE = 0.05  # seconds before the first new try, which grow to the longest
_LONGEST_PAUSE = 0.25
# Seconds that a master that is none any more has for what it was sent: at a hand-over it refuses what it held back.
_GRACE = 0.5

# Seconds that a key is remembered which a caller did not give: for longer than a request is tried again.
_OWN_KEY_SECONDS = 300

Try = t.Callable[[], t.Awaitable[Outcome]]


class Store:
    """One counter in Redis. Used within one loop."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._credentials = Credentials(settings.credentials) if settings.credentials else None
        self._lines: dict[Address, Lines] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._said = ""
        self._master: Master = Fixed(settings.redis) if settings.redis else Sentinels(settings, metrics, self._switched)

    @contextlib.asynccontextmanager
    async def running(self) -> t.AsyncIterator[None]:
        """Follow the master meanwhile."""
        watching = asyncio.create_task(self._master.watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, *self._closing, return_exceptions=True)
            for lines in self._lines.values():
                await lines.close()

    async def increment(self, once: str = "") -> Outcome:
        """Count one, or what was counted by the same ``once`` before; without one this is a request like no other."""
        settings = self._settings
        replicas = settings.wait_replicas
        key, remembered = (once, settings.key_seconds) if once else (secrets.token_hex(16), _OWN_KEY_SECONDS)
        commands = outcomes.commands(settings.key, key, remembered, replicas, settings.wait_ms)
        within = settings.timeout + (settings.wait_ms / 1000 if replicas else 0)

        async def attempt() -> Outcome:
            try:
                return outcomes.judged(await self._ask(commands, within), replicas)
            except UnansweredError as error:
                return outcomes.unanswered(str(error))

        began = time.monotonic()
        outcome = await self._patiently(attempt)
        self._metrics.counted(outcome, time.monotonic() - began)
        self._say(outcome)
        return outcome

    async def count(self, patience: float | None = None) -> Outcome:
        """Read the count. A reading can always be tried again, for as many seconds as the settings say unless given."""

        async def attempt() -> Outcome:
            try:
                [reply] = await self._ask([("GET", self._settings.key)], self._settings.timeout)
            except UnansweredError as error:
                return outcomes.not_sent(str(error))
            return outcomes.judged([0 if reply is None else reply], 0)

        outcome = await self._patiently(attempt, patience)
        self._metrics.read(outcome.fate is Fate.COUNTED)
        return outcome

    async def _patiently(self, attempt: Try, patience: float | None = None) -> Outcome:
        patience, pause = self._settings.patience if patience is None else patience, _PAUSE
        deadline = time.monotonic() + patience
        outcome: Outcome | None = None
        while True:
            try:
                outcome = outcomes.over_all(outcome, await attempt())
            except NotSentError as error:
                outcome = outcomes.over_all(outcome, outcomes.not_sent(str(error)))
            if not outcome.passing or time.monotonic() + pause > deadline:
                return outcome
            self._metrics.retried(outcome.code)
            self._master.doubt()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _ask(self, commands: t.Sequence[Command], within: float) -> list[t.Any]:
        address = self._master.address
        if address is None:
            raise NotSentError("no majority of the Sentinels names a master")
        if address not in self._lines:
            settings = self._settings
            self._lines[address] = Lines(
                address, self._credentials, connecting=settings.connect_timeout, most=settings.connections
            )
        lines = self._lines[address]
        replies = await lines.ask(commands, within=within)
        if isinstance(replies[0], Exception):
            if outcomes.code_of(replies[0]) in outcomes.ELSEWHERE:
                await lines.renew()
        elif self._master.address != address:
            raise UnansweredError(f"{address} was replaced meanwhile: what it has may be dropped")
        return replies

    def _switched(self, before: Address | None, _after: Address) -> None:
        self._metrics.switched()
        if before in self._lines:
            closing = asyncio.create_task(self._lines.pop(before).close(within=_GRACE))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _say(self, outcome: Outcome) -> None:
        """Log when it begins to fail, in another way than before, and when that is over."""
        if outcome.code == self._said:
            return
        self._said = outcome.code
        if outcome.code:
            log.warning("Not counting: %s", outcome.reason, extra={"fate": outcome.fate.value})
        else:
            log.info("Counting")
