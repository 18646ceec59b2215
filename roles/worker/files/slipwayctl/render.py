"""Answers as text: lines and tables for people, JSON for programs. Pure."""

from __future__ import annotations

import datetime as dt
import json
import typing as t

from google.protobuf.json_format import MessageToDict
from slipway.v1 import clusters_pb2

if t.TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import Message

    from .errors import SlipwayctlError
    from .failures import Failure

Colour = t.Literal["red", "green", "yellow", "grey", ""]
Paint = t.Callable[[str, Colour], str]
Scalar = str | int | float
Json = dict[str, t.Any]

_CODES: dict[Colour, str] = {"red": "31", "green": "32", "yellow": "33", "grey": "90"}
_STATE_COLOURS: dict[str, Colour] = {
    "RUNNING": "green",
    "CREATE_IN_PROGRESS": "yellow",
    "UPDATE_IN_PROGRESS": "yellow",
    "DELETE_IN_PROGRESS": "yellow",
    "DELETED": "grey",
    "FAILED": "red",
}
_HEADINGS = ("NAMESPACE", "NAME", "STATE", "AVAILABLE", "IMAGE", "OWNER", "AGE")
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_PHASES = ("applied", "scheduled", "started", "available", "object_gone", "pods_gone")


def plain(text: str, _: Colour) -> str:
    """Return text as it is."""
    return text


def coloured(text: str, colour: Colour) -> str:
    """Return text in a colour of a terminal."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if colour else text


def painter(*, terminal: bool, environ: t.Mapping[str, str]) -> Paint:
    """Return what colours text where colours are wanted (https://no-color.org)."""
    return coloured if terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" else plain


def state(cluster: clusters_pb2.Cluster) -> str:
    """Return a cluster's state by its name; one that is newer than this driver by its number."""
    known = clusters_pb2.State.DESCRIPTOR.values_by_number.get(cluster.state)
    return known.name if known else str(cluster.state)


def table(clusters: t.Sequence[clusters_pb2.Cluster], *, now: dt.datetime, paint: Paint = plain) -> list[str]:
    """Return clusters as an aligned table with headings."""
    rows = [_HEADINGS, *(_row(cluster, now) for cluster in clusters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return [_line(row, widths, paint) for row in rows]


def _row(cluster: clusters_pb2.Cluster, now: dt.datetime) -> tuple[str, ...]:
    created = cluster.create_time.ToDatetime(dt.UTC) if cluster.HasField("create_time") else None
    return (
        cluster.namespace,
        cluster.name,
        state(cluster),
        f"{cluster.available_replicas}/{cluster.spec.replicas}",
        cluster.spec.image or "(default)",
        cluster.owner or "-",
        age((now - created).total_seconds()) if created else "-",
    )


def _line(row: t.Sequence[str], widths: t.Sequence[int], paint: Paint) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
    padded[-1] = row[-1]
    padded[2] = paint(padded[2], _STATE_COLOURS.get(row[2], ""))
    return "  ".join(padded).rstrip()


def age(seconds: float) -> str:
    """Return a time as kubectl writes ages, by its two greatest units: 3m5s."""
    left, parts = max(0, int(seconds)), []
    for unit, size in _UNITS:
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
        if len(parts) == 2:
            break
    return "".join(parts) or "0s"


def details(cluster: clusters_pb2.Cluster, *, now: dt.datetime, paint: Paint = plain) -> list[str]:
    """Return one cluster as a table of one row, and what is wrong with it."""
    lines = table([cluster], now=now, paint=paint)
    return [*lines, "", *cause_lines(cluster.cause, paint)] if cluster.HasField("cause") else lines


def cause_lines(cause: clusters_pb2.Cause, paint: Paint = plain) -> list[str]:
    """Return why pods are not available, as a block: code and summary, what shows it, what to do."""
    return _block(
        [("cause", f"{paint(cause.code, 'red')}: {cause.summary}")]
        + [("evidence" if index == 0 else "", line) for index, line in enumerate(_split(cause.evidence))]
        + [("hint", cause.hint)]
    )


def _split(texts: t.Iterable[str]) -> list[str]:
    return [line for text in texts for line in text.splitlines()]


def _block(rows: t.Iterable[tuple[str, str]]) -> list[str]:
    return [f"  {label:9} {text}" for label, text in rows if text]


def outcome(cluster: clusters_pb2.Cluster, seconds: float, phases: clusters_pb2.Phases, paint: Paint = plain) -> str:
    """Return what a call has come to, in one line."""
    name = f"{cluster.namespace}/{cluster.name}"
    shown = paint(state(cluster), _STATE_COLOURS.get(state(cluster), ""))
    available = "" if cluster.state == clusters_pb2.DELETED else f", {_available(cluster)}"
    reached = ", ".join(f"{each.replace('_', ' ')} {at:.2f}" for each, at in phase_seconds(phases).items())
    return f"{name} is {shown}{available}, after {seconds:.2f} s" + (f" ({reached})" if reached else "")


def _available(cluster: clusters_pb2.Cluster) -> str:
    return f"{cluster.available_replicas} of {cluster.spec.replicas} available"


def phase_seconds(phases: clusters_pb2.Phases) -> dict[str, float]:
    """Return when each stage was reached, in seconds since the call arrived; those that were not are left out."""
    return {each: _seconds(getattr(phases, each)) for each in _PHASES if phases.HasField(each)}


def _seconds(duration: Duration) -> float:
    return duration.ToTimedelta().total_seconds()


def change(seen: clusters_pb2.WatchClusterResponse, elapsed: float, paint: Paint = plain) -> str:
    """Return a change of a cluster as one line."""
    word = state(seen.cluster)
    shown = paint(f"{word:18}", _STATE_COLOURS.get(word, ""))
    return f"{elapsed:8.2f} s  {shown}  {seen.cluster.name}: {_said(seen)}"


def _said(seen: clusters_pb2.WatchClusterResponse) -> str:
    if seen.cluster.state == clusters_pb2.DELETED:
        return "gone"
    if seen.cluster.state == clusters_pb2.FAILED and seen.cluster.HasField("cause"):
        return seen.cluster.cause.summary
    return seen.message or _available(seen.cluster)


def as_json(message: Message) -> Json:
    """Return a message as protobuf JSON with the names of the protocol; defaults are written out."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def error_lines(error: SlipwayctlError, paint: Paint = plain) -> list[str]:
    """Return an error for people: what failed, what shows it, what to do."""
    failure: Failure | None = getattr(error, "failure", None)
    code = f"{failure.code.name}: " if failure else ""
    lines = [f"{paint('error:', 'red')} {code}{error}"]
    if failure:
        told = [each for each in failure.violations if each not in failure.message]
        lines += _block([("field" if index == 0 else "", each) for index, each in enumerate(told)])
        lines += cause_lines(failure.cause, paint) if failure.cause else _block([("reason", _reason(failure))])
    return lines + _block([("hint", error.remedy)])


def _reason(failure: Failure) -> str:
    if failure.reason == failure.code.name and not failure.metadata:
        return ""
    return " ".join([failure.reason, *(f"{key}={value}" for key, value in sorted(failure.metadata.items()))]).strip()


def error_json(error: SlipwayctlError) -> Json:
    """Return an error for programs."""
    failure: Failure | None = getattr(error, "failure", None)
    found: Json = {"code": failure.code.name if failure else "", "message": str(error), "hint": error.remedy}
    if failure:
        found |= {"reason": failure.reason, "metadata": dict(failure.metadata), "violations": list(failure.violations)}
        found |= {"cause": as_json(failure.cause)} if failure.cause else {}
    return {"error": found}


def logfmt(message: str, at: dt.datetime, **fields: Scalar) -> str:
    """Return one line of a log, as the seed's driver wrote them."""
    pairs = {"time": f"{at:%Y-%m-%dT%H:%M:%SZ}", "level": "info", "msg": message, **fields}
    return " ".join(f"{key}={_logfmt_value(value, quoted=key in ('time', 'msg'))}" for key, value in pairs.items())


def _logfmt_value(value: Scalar, *, quoted: bool) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return json.dumps(text) if quoted or not text or set(text) & set(' ="\n') else text
