"""Clusters created, scaled, read and deleted for hours, each answer checked; what is in flight outlives a SIGKILL."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
import typing as t
import uuid
from collections import Counter
from dataclasses import asdict, dataclass, replace

import grpc
from slipway.v1 import clusters_pb2

from . import render
from .errors import CallFailedError, SetupError, SlipwayctlError

if t.TYPE_CHECKING:
    from pathlib import Path

    from .calls import Clusters
    from .output import Output

A = t.TypeVar("A")

Step = t.Literal["create", "scale", "delete"]

PREFIX = "soak-"
_CLEAN_UP = 120.0  # seconds for what is left after a wrong answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to go about it. Times in seconds; ``timeout`` is that of each call; ``spec`` is that of every cluster, but
    for its replicas, which are at random up to ``most_replicas``.
    """

    namespace: str
    spec: clusters_pb2.ClusterSpec
    seconds: float
    interval: float
    rows: int
    most_replicas: int
    timeout: float
    report_every: float
    state: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """The call that is in flight for one cluster; ``uid`` is empty until its creation was answered."""

    name: str
    step: Step
    request_id: str
    replicas: int
    uid: str = ""


class WrongAnswerError(SlipwayctlError):
    """An answer is not what it must be."""


class Flights:
    """What is in flight, kept in a file so that the next run finds it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._flights = {flight.name: flight for flight in read_flights(path)} if path else {}

    def __iter__(self) -> t.Iterator[Flight]:
        return iter(list(self._flights.values()))

    def note(self, flight: Flight) -> None:
        """Note a call that is about to be made."""
        self._flights[flight.name] = flight
        self._write()

    def forget(self, name: str) -> None:
        """Forget a cluster that is gone."""
        self._flights.pop(name, None)
        self._write()

    def _write(self) -> None:
        if self._path:
            beside = self._path.with_name(f"{self._path.name}.new")
            beside.write_text(json.dumps([asdict(flight) for flight in self]))
            os.replace(beside, self._path)


def read_flights(path: Path) -> list[Flight]:
    """Return what a killed run had in flight. :raises SetupError: if the file is not one of ours."""
    if not path.exists():
        return []
    try:
        return [Flight(**each) for each in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError) as error:
        raise SetupError(f"{path} does not tell what was in flight: {error}.", "Name another file.") from error


def wrong(cluster: clusters_pb2.Cluster, flight: Flight, state: clusters_pb2.State) -> list[str]:
    """Return what is wrong with a cluster after its call was answered, a line each."""
    available = flight.replicas if state == clusters_pb2.RUNNING else cluster.available_replicas
    expected = {
        "name": (cluster.name, flight.name),
        "uid": (cluster.uid, flight.uid or cluster.uid),
        "state": (render.state(cluster), clusters_pb2.State.Name(state)),
        "replicas": (cluster.spec.replicas, flight.replicas),
        "available_replicas": (cluster.available_replicas, available),
    }
    found = [f"{key} is {is_!r}, not {must!r}" for key, (is_, must) in expected.items() if is_ != must]
    return found if cluster.uid else [*found, "uid is missing"]


class Soak:
    """One run."""

    def __init__(self, plan: Plan, clusters: Clusters, output: Output) -> None:
        self._plan = plan
        self._clusters = clusters
        self._output = output
        self._flights = Flights(plan.state)
        self._count: Counter[str] = Counter()
        self._slowest: dict[str, float] = {}
        self._began = time.monotonic()

    async def run(self) -> int:
        """Run until the time is over. Returns 0, or 1 if an answer was wrong; cleans up however it ends."""
        reporting = asyncio.create_task(self._report())
        error: SlipwayctlError | None = None
        try:
            await self._resume()
            error = await first_error([self._row() for _ in range(self._plan.rows)])
        except SlipwayctlError as caught:
            error = caught
        finally:
            reporting.cancel()
            left = await self._clean_up()
            self._tell("Soaked", wrong=int(error is not None), left=left)
        if error:
            self._output.error(error)
        return int(error is not None or left > 0)

    async def _resume(self) -> None:
        """Finish what a killed run had in flight, and check those answers too."""
        for flight in self._flights:
            self._count["resumed"] += 1
            await self._finish(flight)

    async def _finish(self, flight: Flight) -> None:
        if flight.step == "create":
            flight = await self._create(flight)
        elif flight.step == "scale":
            await self._scale(flight)
        await self._delete(flight)

    async def _row(self) -> None:
        while time.monotonic() - self._began < self._plan.seconds:
            await self._life()
            await asyncio.sleep(self._plan.interval)

    async def _life(self) -> None:
        """Take one cluster through its life."""
        flight = await self._create(_flight(f"{PREFIX}{uuid.uuid4().hex[:10]}", "create", self._replicas()))
        await self._read(flight)
        flight = replace(flight, step="scale", request_id=str(uuid.uuid4()), replicas=self._replicas())
        await self._scale(flight)
        await self._read(flight)
        await self._delete(flight)

    def _replicas(self) -> int:
        return random.randint(0, self._plan.most_replicas)

    async def _create(self, flight: Flight) -> Flight:
        """Create a cluster, or go on to. Returns the flight with its uid."""
        self._flights.note(flight)
        answer = await self._timed("create", self._clusters.create(self._creation(flight), self._plan.timeout))
        problems = wrong(answer.cluster, flight, clusters_pb2.RUNNING)
        _demand("create", flight, problems if answer.created else [*problems, "created is false"])
        flight = replace(flight, uid=answer.cluster.uid)
        self._flights.note(flight)
        return flight

    async def _scale(self, flight: Flight) -> None:
        self._flights.note(flight)
        request = clusters_pb2.ScaleClusterRequest(
            namespace=self._plan.namespace,
            name=flight.name,
            uid=flight.uid,
            replicas=flight.replicas,
            request_id=flight.request_id,
        )
        answer = await self._timed("scale", self._clusters.scale(request, self._plan.timeout))
        _demand("scale", flight, wrong(answer.cluster, flight, clusters_pb2.RUNNING))

    async def _read(self, flight: Flight) -> None:
        found = await self._timed("get", self._clusters.get(self._getting(flight), self._plan.timeout))
        _demand("get", flight, wrong(found, flight, clusters_pb2.RUNNING))
        everything = await self._timed("list", self._clusters.list(self._plan.namespace, self._plan.timeout))
        listed = [each for each in everything if each.name == flight.name]
        _demand("list", flight, ["it is not listed"] if not listed else ["listed twice"] if len(listed) > 1 else [])
        _demand("list", flight, wrong(listed[0], flight, clusters_pb2.RUNNING))

    async def _delete(self, flight: Flight) -> None:
        """Delete a cluster; nothing of that name may be found afterwards."""
        flight = flight if flight.step == "delete" else replace(flight, step="delete", request_id=str(uuid.uuid4()))
        self._flights.note(flight)
        answer = await self._timed("delete", self._clusters.delete(self._deletion(flight), self._plan.timeout))
        if answer.HasField("cluster"):
            _demand("delete", flight, wrong(answer.cluster, flight, clusters_pb2.DELETED))
        try:
            found = await self._timed("get", self._clusters.get(self._getting(flight), self._plan.timeout))
        except CallFailedError as error:
            if error.failure.code is not grpc.StatusCode.NOT_FOUND:
                raise
        else:
            _demand("get", flight, [f"it is {render.state(found)} after it was deleted"])
        self._flights.forget(flight.name)

    def _creation(self, flight: Flight, *, wait: bool = True) -> clusters_pb2.CreateClusterRequest:
        request = clusters_pb2.CreateClusterRequest(
            namespace=self._plan.namespace,
            name=flight.name,
            spec=self._plan.spec,
            request_id=flight.request_id,
            wait=wait,
        )
        request.spec.replicas = flight.replicas
        return request

    def _getting(self, flight: Flight) -> clusters_pb2.GetClusterRequest:
        return clusters_pb2.GetClusterRequest(namespace=self._plan.namespace, name=flight.name)

    def _deletion(self, flight: Flight) -> clusters_pb2.DeleteClusterRequest:
        return clusters_pb2.DeleteClusterRequest(
            namespace=self._plan.namespace,
            name=flight.name,
            uid=flight.uid,
            request_id=flight.request_id,
            allow_missing=True,  # a killed run may have deleted it
        )

    async def _timed(self, what: str, call: t.Awaitable[A]) -> A:
        began = time.monotonic()
        answer = await call
        self._count[what] += 1
        self._slowest[what] = max(self._slowest.get(what, 0.0), time.monotonic() - began)
        return answer

    async def _clean_up(self) -> int:
        """Delete what is left. Returns how much of it could not be deleted."""
        left = 0
        for flight in self._flights:
            try:
                await self._remove(flight)
            except SlipwayctlError as error:
                left += 1
                self._output.error(error)
        return left

    async def _remove(self, flight: Flight) -> None:
        """Delete one cluster, also where its creation may be under way yet: that is continued first."""
        if not flight.uid:
            answer = await self._clusters.create(self._creation(flight, wait=False), _CLEAN_UP)
            flight = replace(flight, uid=answer.cluster.uid)
        await self._clusters.delete(self._deletion(flight), _CLEAN_UP)
        self._flights.forget(flight.name)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(self._plan.report_every)
            self._tell("Soaking")

    def _tell(self, message: str, **more: render.Scalar) -> None:
        calls = {what: self._count[what] for what in ("create", "scale", "get", "list", "delete", "resumed")}
        slowest = {f"slowest_{what}": seconds for what, seconds in sorted(self._slowest.items())}
        elapsed = time.monotonic() - self._began
        self._output.log(message, seconds=elapsed, **calls, repeats=self._clusters.repeats, **slowest, **more)


async def first_error(rows: t.Sequence[t.Coroutine[t.Any, t.Any, None]]) -> SlipwayctlError | None:
    """Run all at once until they end or one fails, which ends the others. Returns its error."""
    tasks = [asyncio.create_task(row) for row in rows]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    errors = [error for task in done if not task.cancelled() and (error := task.exception())]
    for error in errors:
        if not isinstance(error, SlipwayctlError):
            raise error
    return t.cast("SlipwayctlError | None", next(iter(errors), None))


def _flight(name: str, step: Step, replicas: int) -> Flight:
    return Flight(name=name, step=step, request_id=str(uuid.uuid4()), replicas=replicas)


def _demand(call: str, flight: Flight, problems: t.Sequence[str]) -> None:
    """:raises WrongAnswerError: if there are problems with an answer."""
    if problems:
        raise WrongAnswerError(f"{call} of {flight.name} was answered wrongly: {'; '.join(problems)}")
