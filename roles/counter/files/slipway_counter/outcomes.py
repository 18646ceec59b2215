"""What became of a request to count, told from what Redis answered. Pure.

A server's own error says that nothing was counted; silence after the command was sent says nothing at all. Either may
be tried again, since each request has a key by which it counts once. What is not known stays so until it is counted.
"""

from __future__ import annotations

import enum
import typing as t
from collections import Counter
from dataclasses import dataclass, replace

if t.TYPE_CHECKING:
    from .settings import Address

# Errors that pass: there is another master soon, or this one has its replicas again, its data or the new password.
PASSING = frozenset({"READONLY", "NOREPLICAS", "MASTERDOWN", "LOADING", "NOAUTH", "WRONGPASS"})

# Errors of one that is no master: a connection by another's name is made anew, which may lead to the master.
ELSEWHERE = frozenset({"READONLY", "MASTERDOWN"})

# Counts once for each key. A repeated one is written to as well: WAIT waits for what its own connection wrote.
# The count is read as text, since Lua's numbers are exact up to 2**53 only.
ONCE = """
local known = redis.call('GET', KEYS[2])
if known then
  redis.call('EXPIRE', KEYS[2], ARGV[1])
  return {known, 1}
end
redis.call('INCR', KEYS[1])
local count = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[2], count, 'EX', ARGV[1])
return {count, 0}
"""

Command = tuple[str | int, ...]

# What callers are told of a code: no address, and nothing that Redis says to those who may know more.
_TOLD = {
    "NOT_SENT": "Redis cannot be reached",
    "UNANSWERED": "Redis has not answered",
    "TOO_FEW": "too few replicas have said that they have it",
    "UNBLOCKED": "the master was replaced meanwhile",
    "NOREPLICAS": "Redis takes no writes while its replicas are away",
    "READONLY": "there is no master at the moment",
    "MASTERDOWN": "there is no master at the moment",
    "LOADING": "Redis is starting",
}


class Fate(enum.Enum):
    """What became of one request."""

    COUNTED = "counted"
    NOT_COUNTED = "not_counted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A fate, with the count if it is known to be stored, else with a reason. ``passing``: another try may count it."""

    fate: Fate
    count: int = 0
    repeated: bool = False
    reason: str = ""
    code: str = ""
    passing: bool = False

    @property
    def told(self) -> str:
        """The reason, for callers."""
        return _TOLD.get(self.code, "Redis has refused it")


def commands(key: str, once: str, seconds: int, replicas: int, wait_ms: int) -> list[Command]:
    """Return what is sent to count by a key, ``once``, which is remembered for so many seconds."""
    count: Command = ("EVAL", ONCE, 2, key, f"{key}:done:{once}", seconds)
    return [count, ("WAIT", replicas, wait_ms)] if replicas else [count]


def code_of(error: Exception) -> str:
    """Return the first word of what a server said, which tells the kind of its error."""
    return getattr(error, "status_code", None) or str(error).split(" ", 1)[0]


def refused(code: str, text: str) -> Outcome:
    """Return the outcome of what Redis refused to do."""
    reason = f"Redis refused: {text}" if text.startswith(code) else f"Redis refused: {code} {text}"
    return Outcome(fate=Fate.NOT_COUNTED, reason=reason, code=code, passing=code in PASSING)


def not_sent(reason: str) -> Outcome:
    """Return the outcome of what never left this process."""
    return Outcome(fate=Fate.NOT_COUNTED, reason=reason, code="NOT_SENT", passing=True)


def unanswered(reason: str) -> Outcome:
    """Return the outcome of what was sent and not answered."""
    return Outcome(fate=Fate.UNKNOWN, reason=reason, code="UNANSWERED", passing=True)


def judged(replies: t.Sequence[t.Any], replicas: int) -> Outcome:
    """Return what the replies to ``commands`` say, of which an error may be the last one there is."""
    first = replies[0]
    if isinstance(first, Exception):
        return refused(code_of(first), str(first))
    count, repeated = (int(first[0]), bool(first[1])) if isinstance(first, list) else (int(first), False)
    if replicas:
        acknowledged = replies[1]
        if isinstance(acknowledged, Exception):
            reason = f"Redis gave up: {acknowledged}"
            return Outcome(fate=Fate.UNKNOWN, reason=reason, code=code_of(acknowledged), passing=True)
        if acknowledged < replicas:
            reason = f"{acknowledged} of {replicas} replicas said in time that they have it"
            return Outcome(fate=Fate.UNKNOWN, reason=reason, code="TOO_FEW", passing=True)
    return Outcome(fate=Fate.COUNTED, count=count, repeated=repeated)


def over_all(before: Outcome | None, last: Outcome) -> Outcome:
    """Return what is known after another try.

    That this one did not count does not undo what one before may have; if it was counted before, that was by that one.
    """
    if before is None or before.fate is not Fate.UNKNOWN:
        return last
    return {Fate.NOT_COUNTED: before, Fate.COUNTED: replace(last, repeated=False)}.get(last.fate, last)


def agreed(answers: t.Sequence[Address | None], asked: int) -> Address | None:
    """Return the address that more than half of all that were asked named; ``None`` in ``answers`` is no answer."""
    for best, votes in Counter(each for each in answers if each is not None).most_common(1):
        return best if 2 * votes > asked else None
    return None
