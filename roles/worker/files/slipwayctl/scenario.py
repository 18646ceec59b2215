"""The seed's scenario: create a cluster and wait, delete it and wait, told in four lines of a log."""

from __future__ import annotations

import time
import typing as t
import uuid
from dataclasses import dataclass

from slipway.v1 import clusters_pb2

from . import render
from .errors import CallFailedError

if t.TYPE_CHECKING:
    from .calls import Clusters

Log = t.Callable[..., None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What to create; ``timeout`` in seconds, for the first worker and for each call."""

    namespace: str
    name: str
    spec: clusters_pb2.ClusterSpec
    timeout: float

    async def run(self, clusters: Clusters, log: Log) -> None:
        """Play it. A cluster of this name and spec that is there is taken up: an earlier run may have been killed."""
        await self._answered(clusters)
        about = {"name": self.name, "replicas": self.spec.replicas}
        log("Creating cluster", **about)
        began = time.monotonic()
        made = await clusters.create(self._creation(), self.timeout)
        log("Created cluster", **about, seconds=time.monotonic() - began)
        log("Deleting cluster", **about)
        began = time.monotonic()
        gone = await clusters.delete(self._deletion(made.cluster.uid), self.timeout)
        seconds = time.monotonic() - began
        phases = render.phase_seconds(gone.phases)
        log("Deleted cluster", **about, seconds=seconds, **{key: phases[key] for key in _GONE if key in phases})

    async def _answered(self, clusters: Clusters) -> None:
        """Wait until a worker answers: the times to come are those of the clusters alone."""
        request = clusters_pb2.GetClusterRequest(namespace=self.namespace, name=self.name)
        try:
            await clusters.get(request, self.timeout)
        except CallFailedError as error:
            if not error.failure.told:
                raise

    def _creation(self) -> clusters_pb2.CreateClusterRequest:
        return clusters_pb2.CreateClusterRequest(
            namespace=self.namespace, name=self.name, spec=self.spec, request_id=str(uuid.uuid4()), join=True
        )

    def _deletion(self, uid: str) -> clusters_pb2.DeleteClusterRequest:
        return clusters_pb2.DeleteClusterRequest(
            namespace=self.namespace, name=self.name, uid=uid, request_id=str(uuid.uuid4())
        )


_GONE = ("object_gone", "pods_gone")
