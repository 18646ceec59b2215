"""Who is ready now: the stream of a Service's EndpointSlices, kept up for as long as this runs."""

from __future__ import annotations

import logging
import threading
import time
import typing as t

from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import EngineError, NotFoundError
from ansible_collections.slipway.cloud.plugins.module_utils.engine.reflector import Change, Reflector, Selection
from ansible_collections.slipway.cloud.plugins.module_utils.engine.resources import SERVICE, Resource

from .listing import Endpoints, digest, join

if t.TYPE_CHECKING:
    import contextlib

    from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import Client

log = logging.getLogger(__name__)

ENDPOINT_SLICE = Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)  # seconds before a stream that gave up begins anew
_PATIENCE = 5.0  # seconds
_PAGE = "500"


class View:
    """The endpoints, as the stream has them; leaving it as a context manager ends its thread.

    :param changed: called when they are others, with time.monotonic() of that.
    """

    def __init__(
        self, client: Client, namespace: str, service: str, *, inactivity: float, changed: t.Callable[[float], None]
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._service = service
        self._selection = Selection(ENDPOINT_SLICE, namespace, f"kubernetes.io/service-name={service}")
        self._inactivity = inactivity
        self._changed = changed
        self._stopping = threading.Event()
        self._renew = threading.Event()  # set where the stream is not to be believed any more
        self._stream: Reflector | None = None
        self._digest = ""
        self._restarts = 0
        self._thread = threading.Thread(target=self._keep, name="view", daemon=True)
        self.endpoints: Endpoints | None = None  # None until they are known

    def __enter__(self) -> t.Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._renew.set()
        self._thread.join()

    @property
    def synced(self) -> bool:
        """Whether the stream is there, as far as it can tell."""
        stream = self._stream
        return bool(stream and stream.synced and time.monotonic() - stream.heard < 2 * self._inactivity)

    @property
    def restarts(self) -> int:
        """How often the stream broke off."""
        stream = self._stream
        return self._restarts + (stream.interruptions if stream else 0)

    def restart(self) -> None:
        """Begin the stream anew."""
        self._renew.set()

    def bounded(self) -> contextlib.AbstractContextManager[None]:
        """Bound what is asked of the API server meanwhile."""
        return self._client.until(time.monotonic() + _PATIENCE)

    def list(self) -> Endpoints:
        """Return who is ready, by asking for all of it. :raises EngineError:"""
        found: list[t.Any] = []
        query = {**self._selection.query, "limit": _PAGE}
        while True:
            page = self._client.get(ENDPOINT_SLICE.path(self._namespace), query, action=self._selection.action)
            found += page.get("items") or []
            if not page["metadata"].get("continue"):
                return join(found)
            query["continue"] = page["metadata"]["continue"]

    def service_exists(self) -> bool:
        """Return whether there is such a Service. :raises EngineError:"""
        where = f"in namespace {self._namespace}"
        try:
            self._client.get(
                SERVICE.path(self._namespace, self._service), action=f"read Service {self._service} {where}"
            )
        except NotFoundError:
            return False
        return True

    def _keep(self) -> None:
        """Run one stream after the other until the end."""
        failures = 0
        while not self._stopping.is_set():
            self._renew.clear()
            stream = self._new()
            self._stream = stream
            stream.start()
            self._renew.wait()
            failures = 0 if stream.synced else failures + 1
            stream.stop()
            stream.join()
            self._restarts += stream.interruptions + 1
            stream.interruptions = 0
            self._stopping.wait(_PAUSES[min(failures, len(_PAUSES) - 1)])

    def _new(self) -> Reflector:
        return Reflector(
            self._client,
            self._selection,
            report=self._report,
            give_up=self._give_up,
            warn=lambda _stream, message: log.warning("%s", message),
            inactivity=self._inactivity,
        )

    def _give_up(self, error: EngineError) -> None:
        log.warning("The stream begins anew: %s", error, extra={"code": error.code})
        self._renew.set()

    def _report(self, stream: Reflector, _changes: t.Sequence[Change]) -> None:
        # A list is reported twice: before the stream is said to be synced, and after.
        if not stream.synced:
            return
        self._take(join(stream.store.objects.values()))

    def _take(self, endpoints: Endpoints) -> None:
        now = digest(endpoints)
        if self.endpoints is None or now != self._digest:
            self.endpoints, self._digest = endpoints, now
            self._changed(time.monotonic())
