"""What each command does: one request made of the arguments, one call, one answer shown."""

from __future__ import annotations

import asyncio
import contextlib
import time
import typing as t
import uuid
from dataclasses import dataclass
from pathlib import Path

from slipway.v1 import clusters_pb2

from . import render
from .errors import SlipwayctlError
from .scenario import Scenario
from .soak import Plan, Soak

if t.TYPE_CHECKING:
    import argparse

    from .calls import Clusters
    from .output import Output

_AGAIN = 0.3  # seconds between two streams of progress


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with."""

    clusters: Clusters
    output: Output
    arguments: argparse.Namespace


Run = t.Callable[[Session], t.Awaitable[int]]


def spec_of(arguments: argparse.Namespace) -> clusters_pb2.ClusterSpec:
    """Return what the arguments say of a cluster."""
    resources = clusters_pb2.Resources(requests=dict(arguments.request), limits=dict(arguments.limit))
    return clusters_pb2.ClusterSpec(
        image=arguments.image,
        replicas=arguments.replicas,
        command=arguments.command_,
        args=arguments.args,
        env=dict(arguments.env),
        resources=resources if arguments.request or arguments.limit else None,
        labels=dict(arguments.label),
    )


async def create(session: Session) -> int:
    """Make a cluster."""
    given = session.arguments
    request = clusters_pb2.CreateClusterRequest(
        namespace=given.namespace,
        name=given.name,
        spec=spec_of(given),
        request_id=given.request_id or str(uuid.uuid4()),
        wait=given.wait,
        join=given.join,
        keep_failed=given.keep_failed,
    )
    began = time.monotonic()
    async with _progress(session, await_creation=True):
        answer = await session.clusters.create(request, given.timeout)
    seconds = time.monotonic() - began

    def line(paint: render.Paint) -> str:
        found = "" if answer.created else "; it was there before"
        return render.outcome(answer.cluster, seconds, answer.phases, paint) + found

    session.output.answer(answer, line)
    return 0


async def delete(session: Session) -> int:
    """Delete a cluster: the one that has this name now, so that a repeated call cannot delete a later one."""
    given = session.arguments
    request = clusters_pb2.DeleteClusterRequest(
        namespace=given.namespace,
        name=given.name,
        uid=given.uid or await _uid(session),
        request_id=str(uuid.uuid4()),
        wait=given.wait,
        allow_missing=given.allow_missing,
    )
    began = time.monotonic()
    async with _progress(session):
        answer = await session.clusters.delete(request, given.timeout)
    seconds = time.monotonic() - began

    def line(paint: render.Paint) -> str:
        if answer.HasField("cluster"):
            return render.outcome(answer.cluster, seconds, answer.phases, paint)
        return f"{given.name} is gone, after {seconds:.2f} s"

    session.output.answer(answer, line)
    return 0


async def _uid(session: Session) -> str:
    """Return the uid of the cluster that is meant; empty if there is none, which the delete will say."""
    given = session.arguments
    request = clusters_pb2.GetClusterRequest(namespace=given.namespace, name=given.name)
    try:
        return (await session.clusters.get(request, given.timeout)).uid
    except SlipwayctlError as error:
        failure = getattr(error, "failure", None)
        if failure and failure.told and failure.code.name == "NOT_FOUND":
            return ""
        raise


async def scale(session: Session) -> int:
    """Give a cluster another number of pods."""
    given = session.arguments
    request = clusters_pb2.ScaleClusterRequest(
        namespace=given.namespace,
        name=given.name,
        uid=given.uid,
        replicas=given.replicas,
        request_id=str(uuid.uuid4()),
        wait=given.wait,
    )
    began = time.monotonic()
    async with _progress(session):
        answer = await session.clusters.scale(request, given.timeout)
    seconds = time.monotonic() - began
    session.output.answer(answer, lambda paint: render.outcome(answer.cluster, seconds, answer.phases, paint))
    return 0


async def get(session: Session) -> int:
    """Show a cluster."""
    given = session.arguments
    request = clusters_pb2.GetClusterRequest(namespace=given.namespace, name=given.name)
    session.output.cluster(await session.clusters.get(request, given.timeout))
    return 0


async def list_(session: Session) -> int:
    """Show all clusters of a namespace."""
    session.output.clusters(await session.clusters.list(session.arguments.namespace, session.arguments.timeout))
    return 0


async def watch(session: Session) -> int:
    """Show each change of a cluster."""
    given = session.arguments
    request = clusters_pb2.WatchClusterRequest(
        namespace=given.namespace, name=given.name, await_creation=given.await_creation
    )
    async for seen in session.clusters.watch(request, given.timeout):
        session.output.change(seen)
    return 0


async def scenario(session: Session) -> int:
    """Play the seed's scenario."""
    given = session.arguments
    play = Scenario(given.namespace, given.name, spec_of(given), given.timeout)
    await play.run(session.clusters, session.output.log)
    return 0


async def soak(session: Session) -> int:
    """Create, scale, read and delete clusters for long."""
    given = session.arguments
    plan = Plan(
        namespace=given.namespace,
        spec=spec_of(given),
        seconds=given.seconds,
        interval=given.interval,
        rows=int(given.clusters),
        most_replicas=int(given.replicas),
        timeout=given.timeout,
        report_every=given.report,
        state=Path(given.state) if given.state else None,
    )
    return await Soak(plan, session.clusters, session.output).run()


@contextlib.asynccontextmanager
async def _progress(session: Session, *, await_creation: bool = False) -> t.AsyncIterator[None]:
    """Show what happens to the cluster meanwhile, if the call waits for it."""
    given = session.arguments
    if not given.wait or given.quiet:
        yield
        return
    request = clusters_pb2.WatchClusterRequest(
        namespace=given.namespace, name=given.name, await_creation=await_creation
    )
    task = asyncio.create_task(_show(session, request))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _show(session: Session, request: clusters_pb2.WatchClusterRequest) -> None:
    """Show changes until cancelled: an older cluster of this name may go first."""
    while True:
        with contextlib.suppress(SlipwayctlError):  # the call itself will tell
            async for seen in session.clusters.watch(request, session.arguments.timeout):
                session.output.progress(seen)
        await asyncio.sleep(_AGAIN)
