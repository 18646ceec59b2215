"""python -m slipway_counter: until SIGTERM. Ends by 0, or by 2 if it cannot begin."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import typing as t

from prometheus_client import make_wsgi_app

from ansible_collections.slipway.cloud.plugins.module_utils.program import logs, serving
from ansible_collections.slipway.cloud.plugins.module_utils.program.command import leave, parser, refuse
from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import SettingsError, describe

from .metrics import Metrics
from .server import Leave, Server, listening
from .settings import VARIABLES, Settings, from_environ
from .store import Store
from .web import HEADERS, application

log = logging.getLogger(__name__)

PROGRAM = "slipway_counter"
ABOUT = """\
The counter of Slipway: POST / counts one in Redis and answers {"count": N} once it is stored, GET /count reads it, and
GET / is a page. What is not known to be stored is answered by 503: with the same header Idempotency-Key it can be sent
again and is counted once.
"""


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Run the counter; returns the exit code."""
    parser(PROGRAM, ABOUT, describe(VARIABLES.values())).parse_args(arguments)
    logs.configure(noisy=("uvicorn.error", "asyncio", "redis"))
    try:
        asyncio.run(_serve(from_environ(os.environ)))
    except (SettingsError, serving.PortError) as error:
        return refuse(PROGRAM, error)
    log.info("Ended")
    return 0


async def _serve(settings: Settings) -> None:
    metrics, leaving = Metrics(), Leave(settings.linger)
    store = Store(settings, metrics)
    longest = settings.patience + settings.timeout + settings.wait_ms / 1000
    server = Server(application(store, lambda: leaving.begun), leaving, drain=longest, headers=HEADERS)
    checks = {"/healthz": lambda: server.alive, "/readyz": lambda: server.ready}
    told = serving.application(make_wsgi_app(metrics.registry), checks)
    with contextlib.closing(listening(settings.port)) as listener, serving.served(settings.metrics_port, told) as port:
        log.info("Running", extra={"port": listener.getsockname()[1], "metrics_port": port})
        async with store.running():
            await server.serve(sockets=[listener])


if __name__ == "__main__":
    leave(main())
