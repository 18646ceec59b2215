"""The six calls, typed. Each is repeated until its deadline where no answer came, or one that says to come again."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
import typing as t
from dataclasses import replace

import grpc
import grpc.aio
from slipway.v1 import clusters_pb2, clusters_pb2_grpc

from .errors import CallFailedError, NoWorkerError, SlipwayctlError
from .failures import Failure, pause_before_next, read, remedy

if t.TYPE_CHECKING:
    from google.protobuf.message import Message

    from .connection import Connection

Q = t.TypeVar("Q", bound="Message")
A = t.TypeVar("A", bound="Message")

Note = t.Callable[[str], None]
Again = t.Callable[[Q], Q]
"""Makes, of a request that may have been carried out although no answer came, the one to repeat it by."""

LONG = 300.0  # seconds for a call that waits for pods
SHORT = 30.0  # seconds for one that only looks

_STREAM = 600.0  # seconds after which a stream is taken up anew, below the worker's own limit
_PATIENCE = 4  # attempts without an answer until that is told
_SELDOM = 15.0  # seconds until it is told again, by all calls together
_PAGE = 500
_CUT = Failure(code=grpc.StatusCode.UNAVAILABLE, message="the worker ended the stream")


class Clusters:
    """Clusters, as a worker at the other end of a connection sees to them.

    Every method raises CallFailedError, and SetupError where no way leads to a worker. ``within`` is in seconds.
    """

    def __init__(self, connection: Connection, *, token: str = "", note: Note = lambda _: None) -> None:
        self._connection = connection
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._note = _seldom(note)
        self.repeats = 0

    async def create(
        self, request: clusters_pb2.CreateClusterRequest, within: float = LONG
    ) -> clusters_pb2.CreateClusterResponse:
        """Make a cluster; a repeated call continues the first one by its request id."""
        return await self._call("CreateCluster", request, clusters_pb2.CreateClusterResponse, within)

    async def delete(
        self, request: clusters_pb2.DeleteClusterRequest, within: float = LONG
    ) -> clusters_pb2.DeleteClusterResponse:
        """Delete a cluster; for a repeated call, one that is gone is deleted."""
        return await self._call("DeleteCluster", request, clusters_pb2.DeleteClusterResponse, within, _missing_is_fine)

    async def scale(
        self, request: clusters_pb2.ScaleClusterRequest, within: float = LONG
    ) -> clusters_pb2.ScaleClusterResponse:
        """Give a cluster another number of pods."""
        return await self._call("ScaleCluster", request, clusters_pb2.ScaleClusterResponse, within)

    async def get(self, request: clusters_pb2.GetClusterRequest, within: float = SHORT) -> clusters_pb2.Cluster:
        """Return a cluster as it is now."""
        return await self._call("GetCluster", request, clusters_pb2.Cluster, within)

    async def list(self, namespace: str = "", within: float = SHORT) -> list[clusters_pb2.Cluster]:
        """Return all clusters of a namespace, in the order of their names."""
        found: list[clusters_pb2.Cluster] = []
        request = clusters_pb2.ListClustersRequest(namespace=namespace, page_size=_PAGE)
        deadline = time.monotonic() + within
        while True:
            left = deadline - time.monotonic()
            page = await self._call("ListClusters", request, clusters_pb2.ListClustersResponse, left)
            found.extend(page.clusters)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def watch(
        self, request: clusters_pb2.WatchClusterRequest, within: float = SHORT
    ) -> t.AsyncIterator[clusters_pb2.WatchClusterResponse]:
        """Yield a cluster's state now and at each change, until it is gone.

        A stream that breaks is taken up anew, for ``within`` seconds after its last message.
        """
        uid, attempts = "", _Attempts(within, self._note)
        while True:
            try:
                async with _attempt(self._connection) as stub:
                    async for change in stub.WatchCluster(request, timeout=_STREAM, metadata=self._metadata):
                        if uid and change.cluster.uid != uid:
                            return  # that is the next one of this name
                        uid, attempts = change.cluster.uid, _Attempts(within, self._note)
                        yield change
                        if change.cluster.state == clusters_pb2.DELETED:
                            return
                raise CallFailedError(_CUT)
            except (CallFailedError, NoWorkerError) as error:
                if uid and _failure(error).code is grpc.StatusCode.NOT_FOUND:
                    return
                await attempts.pause(error)

    async def _call(
        self, method: str, request: Q, _answer: type[A], within: float, again: Again[Q] = lambda request: request
    ) -> A:
        attempts = _Attempts(within, self._note)
        while True:
            try:
                async with _attempt(self._connection) as stub:
                    answer: A = await getattr(stub, method)(request, timeout=attempts.left, metadata=self._metadata)
                    return answer
            except (CallFailedError, NoWorkerError) as error:
                await attempts.pause(error)
                self.repeats += 1
                if isinstance(error, CallFailedError) and not error.failure.unsent:
                    request = again(request)


class _Attempts:
    """The attempts at one call: how many there were, and how much time is left."""

    def __init__(self, within: float, note: Note) -> None:
        self._within = within
        self._note = note
        self._began = time.monotonic()
        self._tries = 0

    @property
    def left(self) -> float:
        return self._began + self._within - time.monotonic()

    async def pause(self, error: CallFailedError | NoWorkerError) -> None:
        """Wait until it is time for the next attempt. :raises SlipwayctlError: if there is to be none."""
        self._tries += 1
        failure = _failure(error)
        seconds = pause_before_next(failure, tries=self._tries, left=self.left, jitter=random.random())
        if seconds is None:
            raise self._final(error, failure)
        if self._tries >= _PATIENCE and not failure.told:
            self._note(f"waiting for a worker: {failure.message}")
        await asyncio.sleep(seconds)

    def _final(self, error: CallFailedError | NoWorkerError, failure: Failure) -> SlipwayctlError:
        """Return the error of a call that is given up: one without an answer says for how long it was tried."""
        if failure.told or failure.distrusted:
            return error
        if failure.code is grpc.StatusCode.DEADLINE_EXCEEDED:
            message = f"no answer within {round(self._within, 3):g} s"
        elif failure.lost:
            message = f"no answer within {round(self._within, 3):g} s; the last attempt: {failure.message}"
        else:
            return error
        return CallFailedError(replace(failure, message=message), remedy(failure) or error.remedy)


def _seldom(note: Note) -> Note:
    """Return what tells no more than one thing in a while."""
    last = -math.inf

    def tell(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _SELDOM:
            last = time.monotonic()
            note(text)

    return tell


@contextlib.asynccontextmanager
async def _attempt(connection: Connection) -> t.AsyncIterator[clusters_pb2_grpc.ClustersStub]:
    """Give the stub for one attempt, whose failure is raised as CallFailedError; a lost channel is replaced."""
    async with connection.link() as link:
        try:
            yield clusters_pb2_grpc.ClustersStub(link.channel)
        except grpc.aio.AioRpcError as error:
            failure = read(error.code(), error.details() or "", error.trailing_metadata())
            if failure.lost:
                await connection.replace(link)
            raise CallFailedError(failure, remedy(failure)) from None


def _failure(error: CallFailedError | NoWorkerError) -> Failure:
    if isinstance(error, CallFailedError):
        return error.failure
    return Failure(code=grpc.StatusCode.UNAVAILABLE, message=str(error))


def _missing_is_fine(request: clusters_pb2.DeleteClusterRequest) -> clusters_pb2.DeleteClusterRequest:
    repeated = clusters_pb2.DeleteClusterRequest()
    repeated.CopyFrom(request)
    repeated.allow_missing = True
    return repeated
