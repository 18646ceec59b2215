"""Who is master: what more than half of all Sentinels say, and as long as they do not, what they said last."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import typing as t

from .lines import Credentials, Lines, NotSentError, UnansweredError
from .outcomes import agreed
from .settings import Address

if t.TYPE_CHECKING:
    from pathlib import Path

    from .metrics import Metrics
    from .settings import Settings

log = logging.getLogger(__name__)

# Seconds between two questions to a Sentinel, however many requests doubt its answer: in trouble it has enough to do.
_SOONEST = 0.05

Switched = t.Callable[[Address | None, Address], None]


class NodesError(Exception):
    """A file of nodes that says nothing of use."""


class Master(t.Protocol):
    """Something that knows who is master."""

    @property
    def address(self) -> Address | None:
        """The master, if it is known."""

    def doubt(self) -> None:
        """Find out anew as soon as may be."""

    async def watch(self) -> None:
        """Find out, again and again, until cancelled."""


class Fixed:
    """One address that is always the master's: that of a Service which follows it."""

    def __init__(self, address: Address) -> None:
        self._address = address

    @property
    def address(self) -> Address | None:
        """The address."""
        return self._address

    def doubt(self) -> None:
        """There is nobody to ask."""

    async def watch(self) -> None:
        """Nothing changes."""


class Sentinels:
    """All Sentinels of a master. ``switched`` is called with the one before and the new one."""

    def __init__(self, settings: Settings, metrics: Metrics, switched: Switched) -> None:
        self._address: Address | None = None
        self._settings = settings
        self._metrics = metrics
        self._switched = switched
        self._followers: dict[tuple[str, Address], Follower] = {}
        self._said = ""

    @property
    def address(self) -> Address | None:
        """What most of them named last."""
        return self._address

    def doubt(self) -> None:
        """Ask all of them now."""
        for follower in self._followers.values():
            follower.doubted.set()

    async def watch(self) -> None:
        """Have each Sentinel followed, by itself: one that is silent holds up no other."""
        try:
            while True:
                self._keep()
                self._judge()
                await asyncio.sleep(self._settings.ask_every)
                self._tell()
        finally:
            for follower in self._followers.values():
                follower.task.cancel()
            await asyncio.gather(*(each.task for each in self._followers.values()), return_exceptions=True)

    def _keep(self) -> None:
        """Follow those that there are, and no others."""
        try:
            name, places = self._nodes()
        except NodesError as error:
            self._say(str(error))
            return
        wanted = {(name, place) for place in places}
        for gone in self._followers.keys() - wanted:
            self._followers.pop(gone).task.cancel()
        for new in wanted - self._followers.keys():
            self._followers[new] = Follower(*new, self._settings, self._judge)

    def _nodes(self) -> tuple[str, tuple[Address, ...]]:
        if self._settings.nodes_file:
            return nodes(self._settings.nodes_file)
        return self._settings.master_name, self._settings.sentinels

    def _judge(self) -> None:
        answers = [each.answer for each in self._followers.values()]
        found = agreed(answers, len(answers))
        self._metrics.sentinels(answers.count(found) if found else 0)
        if found and found != self._address:
            before, self._address = self._address, found
            log.info("Another master", extra={"address": str(found), "before": str(before or "")})
            self._switched(before, found)

    def _tell(self) -> None:
        found = sorted(self._followers.items())
        if found and not agreed([each.answer for _, each in found], len(found)):
            said = ", ".join(f"{place}: {each.answer or each.reason}" for (_, place), each in found)
            self._say(f"Most Sentinels name no master, so the last one stays: {said}")
        elif found:
            self._say("")

    def _say(self, text: str) -> None:
        if text and text != self._said:
            log.warning(text)
        self._said = text


class Follower:
    """One Sentinel, asked again and again who is master: its last ``answer``, or the ``reason`` why there is none."""

    def __init__(self, name: str, place: Address, settings: Settings, changed: t.Callable[[], None]) -> None:
        self.answer: Address | None = None
        self.reason = "not asked yet"
        self.doubted = asyncio.Event()
        self._command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        self._settings = settings
        self._changed = changed
        home = settings.credentials if settings.sentinel_auth else None
        self._lines = Lines(place, Credentials(home) if home else None, connecting=settings.connect_timeout)
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        try:
            while True:
                answer = await self._ask()
                if answer != self.answer:
                    self.answer = answer
                    self._changed()
                await asyncio.sleep(_SOONEST)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.doubted.wait(), self._settings.ask_every)
                self.doubted.clear()
        finally:
            await self._lines.close()

    async def _ask(self) -> Address | None:
        try:
            [reply] = await self._lines.ask([self._command], within=self._settings.connect_timeout)
        except (NotSentError, UnansweredError) as error:
            self.reason = str(error)
            return None
        if isinstance(reply, list):
            return Address(reply[0].decode(), int(reply[1]))
        self.reason = "it knows no such master" if reply is None else f"it refused: {reply}"
        return None


def nodes(path: Path) -> tuple[str, tuple[Address, ...]]:
    """Return the master's name and the Sentinels of the file of nodes. :raises NodesError: if it does not tell them."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        places = tuple(Address(str(each["ip"]), int(each["port"])) for each in document["sentinels"])
        name = str(document["master_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NodesError(f"The file of nodes {path} cannot be used: {error!r}") from error
    if not places or not name:
        raise NodesError(f"The file of nodes {path} names no Sentinels, or no master")
    return name, places
