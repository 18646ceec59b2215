"""Who is listed, and the documents that say so. Pure.

A snapshot is one state of the list. Its generation grows with every state, over all publishers there have been; its
time never goes back, whatever the clocks of those say.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import json
import typing as t
from dataclasses import dataclass, field, replace

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

INDEX, LATEST, HISTORY = "index.json", "history/latest.json", "history/"
LATEST_COUNT = 100

Json = dict[str, t.Any]


class ListingError(Exception):
    """A document that is none of ours."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A pod that is ready; ``since`` is when it was first listed without a break, RFC 3339."""

    ip: str
    pod: str = ""
    node: str = ""
    since: str = field(default="", compare=False)

    @property
    def order(self) -> tuple[int, int]:
        """IPv4 before IPv6, and by number."""
        address = ipaddress.ip_address(self.ip)
        return address.version, int(address)

    @property
    def document(self) -> Json:
        """As JSON."""
        return {"ip": self.ip, "pod": self.pod, "node": self.node, "since": self.since}


Endpoints = tuple[Endpoint, ...]


def join(slices: Iterable[Mapping[str, t.Any]]) -> Endpoints:
    """Return the ready endpoints of all EndpointSlices of a Service, sorted, each address once.

    While an endpoint moves it is in two slices, and an address that was given to a new pod may be too: the slice that
    was written last counts.
    """
    found: dict[str, Endpoint] = {}
    for piece in sorted(slices, key=_revision):
        for each in piece.get("endpoints") or []:
            for endpoint in _ready(each):
                found[endpoint.ip] = endpoint
    return tuple(sorted(found.values(), key=lambda each: each.order))


def _revision(piece: Mapping[str, t.Any]) -> int:
    text = str(piece["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0


def _ready(entry: Mapping[str, t.Any]) -> Iterable[Endpoint]:
    """Yield the addresses of an entry. No condition counts as ready, see the API of EndpointSlice."""
    if (entry.get("conditions") or {}).get("ready") is False:
        return
    target = entry.get("targetRef") or {}
    pod = str(target.get("name", "")) if target.get("kind", "Pod") == "Pod" else ""
    for text in entry.get("addresses") or []:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:  # a slice of names
            continue
        yield Endpoint(str(address), pod, str(entry.get("nodeName") or ""))


def digest(endpoints: Iterable[Endpoint]) -> str:
    """Return the hash that tells whether a list has changed: of who is there, not of when."""
    rows = [[each.ip, each.pod, each.node] for each in endpoints]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def stamp(seconds: float) -> str:
    """Return a Unix time as RFC 3339, in UTC and milliseconds."""
    at = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def seconds(at: str) -> float:
    """Return the Unix time of a stamp. :raises ListingError:"""
    try:
        return dt.datetime.strptime(at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.UTC).timestamp()
    except ValueError as error:
        raise ListingError(f"{at!r} is no time of a listing") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One state of the list."""

    generation: int
    at: str
    service: str
    namespace: str
    endpoints: Endpoints
    came: Endpoints = ()
    went: Endpoints = ()

    @property
    def key(self) -> str:
        """Where it is kept for ever: by day, then by time."""
        day, _, time = self.at.partition("T")
        name = f"{time.removesuffix('Z').replace(':', '')}Z-{digest(self.endpoints)[:12]}.json"
        return f"{HISTORY}{day.replace('-', '/')}/{name}"

    @property
    def index(self) -> bytes:
        """The document that programs read."""
        return _encoded(self._document())

    @property
    def entry(self) -> bytes:
        """The document of the history."""
        changes = {"came": [each.document for each in self.came], "went": [each.document for each in self.went]}
        return _encoded({**self._document(), **changes})

    @property
    def summary(self) -> Json:
        """The row of the history's table of contents."""
        return {
            "key": self.key,
            "at": self.at,
            "generation": self.generation,
            "count": len(self.endpoints),
            "came": [each.pod or each.ip for each in self.came],
            "went": [each.pod or each.ip for each in self.went],
        }

    @property
    def context(self) -> Json:
        """What the template is given."""
        document = self._document()
        del document["history"]
        return document

    def _document(self) -> Json:
        return {
            "generation": self.generation,
            "at": self.at,
            "service": self.service,
            "namespace": self.namespace,
            "history": self.key,
            "endpoints": [each.document for each in self.endpoints],
        }


def parse(body: bytes) -> Snapshot:
    """Read an index or an entry of the history. :raises ListingError: for anything else."""
    try:
        document = json.loads(body)
        return Snapshot(
            generation=int(document["generation"]),
            at=stamp(seconds(document["at"])),
            service=str(document["service"]),
            namespace=str(document["namespace"]),
            endpoints=_endpoints(document["endpoints"]),
            came=_endpoints(document.get("came", [])),
            went=_endpoints(document.get("went", [])),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ListingError(f"it is no listing: {error!r}") from error


def _endpoints(rows: Sequence[Mapping[str, t.Any]]) -> Endpoints:
    return tuple(Endpoint(str(ipaddress.ip_address(row["ip"])), row["pod"], row["node"], row["since"]) for row in rows)


def following(  # each is a part of what follows
    last: Snapshot | None, endpoints: Endpoints, *, generation: int, now: float, service: str, namespace: str
) -> Snapshot:
    """Return the snapshot that comes after ``last``.

    :param now: Unix seconds; a clock that is behind the last snapshot's counts as standing still.
    """
    at = stamp(max(now, seconds(last.at) + 0.001) if last else now)
    before = {each: each.since for each in last.endpoints} if last else {}
    listed = tuple(replace(each, since=before.get(each) or at) for each in endpoints)
    went = tuple(each for each in before if each not in set(endpoints))
    came = tuple(each for each in listed if each not in before)
    return Snapshot(
        generation=generation,
        at=at,
        service=service,
        namespace=namespace,
        endpoints=listed,
        came=came,
        went=went,
    )


def latest(summaries: Iterable[Json]) -> bytes:
    """Return the table of contents of the history: the newest rows."""
    newest = sorted(summaries, key=lambda row: (row["generation"], row["key"]), reverse=True)
    return _encoded({"entries": newest[:LATEST_COUNT]})


def rows(body: bytes) -> list[Json]:
    """Read a table of contents; what is none has no rows."""
    wanted = {"key": str, "at": str, "generation": int, "count": int, "came": list, "went": list}
    try:
        found = json.loads(body)["entries"]
        return [row for row in found if all(isinstance(row.get(name), kind) for name, kind in wanted.items())]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def stale(keys: Iterable[str], *, count: int, days: float, now: float, kept: str) -> list[str]:
    """Return the entries of the history to forget: beyond ``count``, or older than ``days``; never ``kept``."""
    ordered = sorted(keys, reverse=True)
    oldest = dt.datetime.fromtimestamp(now - days * 86400, dt.UTC).strftime(f"{HISTORY}%Y/%m/%d/%H%M%S")
    return [key for number, key in enumerate(ordered) if (number >= count or key < oldest) and key != kept]


def is_entry(key: str) -> bool:
    """Whether a key is of an entry of the history."""
    return key.startswith(HISTORY) and key != LATEST and key.endswith(".json")


def _encoded(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
