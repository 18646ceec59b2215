"""The Service redis-master, for clients that ask no Sentinel: its EndpointSlice, fenced by the Sentinels' epoch."""

from __future__ import annotations

import logging
import threading
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import (
    ConflictError,
    EngineError,
    NotFoundError,
)
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import Resource

if t.TYPE_CHECKING:
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import Client

log = logging.getLogger(__name__)

SLICE = Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
EPOCH = "slipway.dev/epoch"
_TIMEOUT = 3.0  # seconds for a request
_AGAIN = 1.0
_CHECK = 10.0  # seconds after which what is written is looked at again
_OTHERS_AFTER = 2.0  # seconds that the master's own agent has to write it, before others do

Json = dict[str, t.Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The master that the slice is to show: its pod, the pod's own address, and since which epoch."""

    pod: str
    ip: str
    port: int
    epoch: int


def epoch_of(found: Json) -> int:
    """Return the epoch that a slice was written at, -1 if it has none."""
    text = str((found["metadata"].get("annotations") or {}).get(EPOCH, ""))
    return int(text) if text.isdigit() else -1


def wanted(found: Json | None, target: Target, *, namespace: str, service: str) -> Json | None:
    """Return the slice to write, None if what is there is as it should be, or of a later epoch."""
    if found is not None and epoch_of(found) > target.epoch:
        return None
    ref = {"kind": "Pod", "namespace": namespace, "name": target.pod}
    new = {
        "apiVersion": SLICE.api_version,
        "kind": SLICE.kind,
        "metadata": {
            **({"resourceVersion": found["metadata"]["resourceVersion"]} if found else {}),
            "name": service,
            "namespace": namespace,
            "annotations": {EPOCH: str(target.epoch)},
            "labels": {
                "kubernetes.io/service-name": service,
                "endpointslice.kubernetes.io/managed-by": "slipway-redis",
                "app.kubernetes.io/managed-by": "slipway",
            },
        },
        "addressType": "IPv6" if ":" in target.ip else "IPv4",
        "endpoints": [{"addresses": [target.ip], "conditions": {"ready": True}, "targetRef": ref}],
        "ports": [{"name": "redis", "port": target.port, "protocol": "TCP"}],
    }
    return None if found is not None and _shows(found) == _shows(new) else new


def _shows(of: Json) -> t.Any:
    ends = [(each["addresses"], (each.get("targetRef") or {}).get("name")) for each in of.get("endpoints") or ()]
    ports = [(each.get("name"), each.get("port")) for each in of.get("ports") or ()]
    return epoch_of(of), ends, ports


class MasterService(threading.Thread):
    """Writes the slice whenever it is not as it should be, from a thread of its own."""

    def __init__(self, namespace: str, service: str, me: str) -> None:
        super().__init__(name="service", daemon=True)
        self._client: Client | None = None
        self._namespace = namespace
        self._service = service
        self._me = me
        self._wake = threading.Event()
        self._target: Target | None = None
        self._done: Target | None = None
        self._refused = ""

    def show(self, target: Target) -> None:
        """Have the slice show that master."""
        if target != self._target:
            self._target = target
            self._wake.set()

    def run(self) -> None:
        """Write until the process ends."""
        while True:
            self._wake.wait(_CHECK if self._done == self._target else _AGAIN)
            self._wake.clear()
            target = self._target
            if target is None:
                continue
            if target.pod != self._me and target != self._done:
                time.sleep(_OTHERS_AFTER)
            if target == self._target:
                self._attempt(target)

    def _attempt(self, target: Target) -> None:
        try:
            client = self._client = self._client or _connect()
            with client.until(time.monotonic() + _TIMEOUT):
                self._write(client, target)
            self._done, self._refused = target, ""
        except ConflictError:
            self._wake.set()  # another agent was faster: look again
        except EngineError as error:
            if self._refused != error.code:
                self._refused = error.code
                log.warning("Service %s does not follow the master: %s", self._service, error)

    def _write(self, client: Client, target: Target) -> None:
        path = SLICE.path(self._namespace, self._service)
        action = f"EndpointSlice {self._service} in namespace {self._namespace}"
        try:
            found: Json | None = client.get(path, action=f"read {action}")
        except NotFoundError:
            found = None
        new = wanted(found, target, namespace=self._namespace, service=self._service)
        if new is None:
            return
        verb, at = ("PUT", path) if found else ("POST", SLICE.path(self._namespace))
        client.request(verb, at, action=f"write {action}", body=new)
        log.info("The Service has followed", extra={"master": target.pod, "epoch": target.epoch})


def _connect() -> Client:
    """Return a client of the API server. Imported here, for it takes longer than all else that a pod starts with."""
    from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import Client, Connection

    return Client(Connection())
