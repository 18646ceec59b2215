"""What is known of a set of Redis, as plain values. Pure.

Times are in seconds, offsets in bytes of the replication stream. A copy is what one data node has on its disk.
"""

from __future__ import annotations

import enum
import typing as t
from dataclasses import asdict, dataclass, field, fields


class Role(enum.StrEnum):
    """What a Redis is."""

    MASTER = "master"
    REPLICA = "replica"


class Phase(enum.StrEnum):
    """What an agent does."""

    DECIDING = "deciding"  # no Redis runs
    YIELDING = "yielding"  # none runs, and this one will not be master although the Sentinels want it to
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A Redis or a Sentinel, by the only address that it has for others."""

    name: str
    ip: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """All nodes there should be; the order of ``data`` is that of the ordinals."""

    data: tuple[Node, ...]
    sentinels: tuple[Node, ...]
    master_name: str
    quorum: int

    @property
    def majority(self) -> int:
        """Sentinels that have to agree."""
        return len(self.sentinels) // 2 + 1

    @property
    def enough(self) -> int:
        """Copies of which one has all that a master and one replica had: all but one, or a majority."""
        return max(len(self.data) // 2 + 1, len(self.data) - 1)

    def named(self, name: str) -> Node:
        """Return a node by its name. :raises KeyError:"""
        return {each.name: each for each in (*self.data, *self.sentinels)}[name]

    def at(self, ip: str, port: int) -> str:
        """Return the name of the data node at an address, or the address if it is none of ours."""
        return next((each.name for each in self.data if (each.ip, each.port) == (ip, port)), f"{ip}:{port}")

    def ordinal(self, name: str) -> int:
        """Return the place of a data node."""
        return [each.name for each in self.data].index(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What an agent has written of its copy, each second and at each switch.

    ``epoch`` is the Sentinels' config-epoch by which the copy is of its master; ``life`` counts how often a master of
    that epoch has begun anew, by which its offsets begin anew. A copy of a lower (epoch, life) is stale. ``durable`` is
    whether all that a master acknowledged was on its disk by then (appendfsync always).
    """

    epoch: int
    life: int
    role: Role
    replid: str
    offset: int
    dbsize: int
    durable: bool
    at: float

    @property
    def lineage(self) -> tuple[int, int]:
        """What orders the copies before their offsets do."""
        return self.epoch, self.life

    @classmethod
    def of(cls, document: t.Any) -> State:
        """Read what asdict() made. :raises ValueError: for anything else."""
        try:
            values = {each.name: document[each.name] for each in fields(cls)}
            values["role"] = Role(values["role"])
            numbers = {name: int(values[name]) for name in ("epoch", "life", "offset", "dbsize")}
            return cls(**{**values, **numbers, "durable": bool(values["durable"]), "at": float(values["at"])})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no state of a copy: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a running Redis says of itself. ``master`` is the name of the node that it follows, "" if none.

    ``replid2`` is the history that this one goes on from, as that of a replica which was promoted does. ``lasting`` are
    those of the ``dbsize`` keys that do not expire: copies that are alike have as many, at any time.
    """

    role: Role
    master: str = ""
    link_up: bool = False
    syncing: bool = False
    loading: bool = False
    lag: float = 0.0
    replid: str = ""
    replid2: str = ""
    offset: int = 0
    dbsize: int = 0
    lasting: int = 0
    replicas: int = 0
    durable: bool = False
    promotable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A data node whose agent answers. Without a ``state`` its disk is empty; without ``live`` no Redis runs there.

    :param vote: the node that this agent would have as master where no Sentinel remembers one.
    """

    state: State | None = None
    live: Live | None = None
    phase: Phase = Phase.DECIDING
    vote: str = ""
    ip: str = ""

    def document(self) -> dict[str, t.Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def of(cls, document: t.Any) -> Copy:
        """Read what document() made. :raises ValueError: for anything else."""
        try:
            state, live = document["state"], document["live"]
            return cls(
                state=State.of(state) if state else None,
                live=Live(**{**live, "role": Role(live["role"])}) if live else None,
                phase=Phase(document["phase"]),
                vote=str(document["vote"]),
                ip=str(document["ip"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no copy: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A Sentinel that answers. Without a ``master`` it remembers nothing yet.

    :param switching: whether it replaces this master, and nobody is promoted yet.
    :param down: whether it finds the master down.
    :param heard: seconds since the master last answered it.
    """

    master: str = ""
    epoch: int = 0
    switching: bool = False
    down: bool = False
    heard: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The master that a majority of all Sentinels names, at the highest epoch that anybody knows."""

    master: str
    epoch: int
    switching: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that one agent knows at a moment: of itself, of the data nodes and of the Sentinels that answer."""

    me: str
    cluster: Cluster
    copies: t.Mapping[str, Copy]  # always with ``me``
    voices: t.Mapping[str, Voice]
    waited: float = 0.0
    cold_start_wait: float = 120.0
    bootstrap: bool = False
    force: str = ""

    @property
    def own(self) -> Copy:
        """Return this node's copy."""
        return self.copies[self.me]

    @property
    def enough(self) -> bool:
        """Whether enough nodes that have a copy answer."""
        return sum(each.state is not None for each in self.copies.values()) >= self.cluster.enough

    @property
    def everyone(self) -> bool:
        """Whether all data nodes answer."""
        return len(self.copies) == len(self.cluster.data)


@dataclass(frozen=True, slots=True)
class Follow:
    """Start as a replica of that node."""

    master: str
    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Lead:
    """Start as master, of that epoch."""

    epoch: int
    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Yield:
    """Start not, and ask the Sentinels for another master."""

    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Wait:
    """Start not yet."""

    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Blocked:
    """Start not, until somebody says what to do: ``why`` has the exact words."""

    why: str = field(default="", compare=False)


Decision = Follow | Lead | Yield | Wait | Blocked
