"""The server: it answers until SIGTERM, goes on a while until nobody sends it anything more, and then ends."""

from __future__ import annotations

import socket
import time
import typing as t

import uvicorn

from ansible_collections.slipway.cloud.plugins.module_utils.program.serving import PortError

if t.TYPE_CHECKING:
    from types import FrameType

    from starlette.types import ASGIApp

_HANGS = 30.0  # seconds without a turn of the loop after which it counts as hanging
_KEEP_ALIVE = 75  # seconds that a connection may be idle


class Leave:
    """Whether this is about to end. Once begun, it is over after so many seconds, or at once when asked again."""

    def __init__(self, linger: float) -> None:
        self._linger = linger
        self._until: float | None = None

    def begin(self) -> None:
        """Begin, or end now."""
        self._until = time.monotonic() + (self._linger if self._until is None else 0)

    @property
    def begun(self) -> bool:
        """Whether it has begun."""
        return self._until is not None

    @property
    def over(self) -> bool:
        """Whether it is time to end."""
        return self._until is not None and time.monotonic() >= self._until


class Server(uvicorn.Server):
    """uvicorn, which would end on the first signal."""

    def __init__(self, app: ASGIApp, leave: Leave, *, drain: float, headers: list[tuple[str, str]]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                proxy_headers=False,
                server_header=False,
                headers=headers,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=int(drain) + 1,
            )
        )
        self._leave = leave
        self._turned = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether its loop turns."""
        return time.monotonic() - self._turned < _HANGS

    @property
    def ready(self) -> bool:
        """Whether it answers and means to go on. Redis does not count: a 503 with its reason is an answer too."""
        return self.started and not self._leave.begun

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # those of the base class
        """Begin to leave."""
        self._leave.begin()

    async def on_tick(self, counter: int) -> bool:
        """Note that the loop turns; return whether to end."""
        self._turned = time.monotonic()
        return await super().on_tick(counter) or self._leave.over


def listening(port: int) -> socket.socket:
    """Listen on every address, of both families where there are both. :raises PortError:"""
    try:
        return socket.create_server(
            ("", port),
            family=socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET,
            backlog=2048,
            dualstack_ipv6=socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        raise PortError(f"port {port}") from error
