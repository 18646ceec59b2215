"""Listings as the publisher writes them, made up: what was there at some moments, and the page of the last one."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from tests.support.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterable

TEMPLATE = CHECKOUT / "roles" / "publisher" / "templates" / "index.template"
Endpoint = dict[str, str]
LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def stamp(moment: dt.datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def pod(number: int) -> str:
    """The name that a Deployment would have given a pod."""
    place = (number * 7_919_317 + 3_141_592) % len(LETTERS) ** 5
    letters = (LETTERS[place // len(LETTERS) ** each % len(LETTERS)] for each in range(5))
    return f"nginx-pool-6d9f7c4b58-{''.join(letters)}"


def page(index: dict[str, Any]) -> str:
    """The page of a listing, as the publisher renders it."""
    environment = SandboxedEnvironment(autoescape=True, undefined=StrictUndefined)
    context = {name: index[name] for name in ("endpoints", "generation", "at", "service", "namespace")}
    return environment.from_string(TEMPLATE.read_text()).render(context)


@dataclass
class Chronicle:
    """The objects of a bucket, grown by one listing after the other."""

    objects: dict[str, tuple[str, str]] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)

    def add(self, pods: Iterable[int | str], at: dt.datetime) -> None:
        """List exactly these pods from this moment on: numbers, or names of their own."""
        before = {each["pod"]: each for each in self.endpoints}
        named = {each if isinstance(each, str) else pod(each): each for each in pods}
        endpoints = [
            before.get(name) or self._endpoint(name, number if isinstance(number, int) else 200, at)
            for name, number in named.items()
        ]
        came = [each for each in endpoints if each["pod"] not in before]
        went = [each for each in self.endpoints if each["pod"] not in named]
        self.endpoints = endpoints
        generation = len(self.entries) + 1
        digest = hashlib.sha256(json.dumps(endpoints).encode()).hexdigest()[:12]
        key = f"history/{at:%Y/%m/%d}/{at:%H%M%S}.{at.microsecond // 1000:03}Z-{digest}.json"
        index = {
            "generation": generation,
            "at": stamp(at),
            "service": "nginx-pool",
            "namespace": "slipway",
            "history": key,
            "endpoints": endpoints,
        }
        entry = {
            "key": key,
            "at": stamp(at),
            "generation": generation,
            "count": len(endpoints),
            "came": [each["pod"] for each in came],
            "went": [each["pod"] for each in went],
        }
        self.entries = [entry, *self.entries][:100]
        self._write(key, {**index, "came": came, "went": went})
        self._write("index.json", index)
        self._write("history/latest.json", {"entries": self.entries})
        self.objects["index.html"] = (page(index), "text/html; charset=utf-8")

    def _write(self, key: str, content: dict[str, Any]) -> None:
        self.objects[key] = (json.dumps(content), "application/json")

    @staticmethod
    def _endpoint(name: str, number: int, at: dt.datetime) -> Endpoint:
        node = number % 3 + 1
        return {"ip": f"10.244.{node}.{number + 10}", "pod": name, "node": f"node{node}", "since": stamp(at)}


def a_day(now: dt.datetime) -> Chronicle:
    """A pool that grew with the load and shrank again, a pod that was replaced, and a rolling restart half done."""
    chronicle = Chronicle()
    story: list[tuple[float, list[int]]] = [
        (1500, [1, 2]),
        (900, [1, 2, 3, 4]),
        (899.7, [1, 2, 3, 4, 5, 6, 7, 8]),
        (884, list(range(1, 17))),
        (869, list(range(1, 29))),
        (854, list(range(1, 31))),
        (600, list(range(1, 23))),
        (585, list(range(1, 13))),
        (570, list(range(1, 6))),
        (420, [1, 2, 3, 5]),
        (419, [1, 2, 3, 5, 40]),
        (180, [1, 2, 3, 40, 41]),
        (171, [2, 3, 40, 41, 42]),
        (130, [2, 3, 40, 41, 42, 43]),
    ]
    for minutes, pods in story:
        chronicle.add(pods, now - dt.timedelta(minutes=minutes))
    return chronicle
