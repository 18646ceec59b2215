"""python -m slipway_publisher: until SIGTERM. Ends by 0, by 1 if --once or --check fails, by 2 if it cannot begin."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import typing as t

from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import Client, Connection
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import ConfigurationError, EngineError

from . import logs
from .lease import Lease
from .metrics import Metrics
from .once import NothingPublishedError, publish
from .page import Renderer, TemplateError
from .publisher import Publisher
from .settings import PortError, Settings, SettingsError, describe, from_environ
from .view import View

log = logging.getLogger(__name__)

ABOUT = """\
The publisher of Slipway: keeps the list of a Service's pods in object stores, as a page and as JSON, with its history.
It reaches the API server by KUBECONFIG, or as the pod that it runs in.
"""


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Run the publisher; returns the exit code."""
    wanted = _parser().parse_args(arguments)
    logs.configure()
    try:
        settings = from_environ(os.environ)
        if wanted.check:
            return _check(settings)
        with Client(Connection()) as client:
            return _once(settings, client) if wanted.once else _serve(settings, client)
    except (NothingPublishedError, TemplateError) as error:
        return _refuse(error, 1)
    except (SettingsError, PortError, ConfigurationError) as error:
        return _refuse(error, 2)
    except EngineError as error:
        return _refuse(error, 1 if wanted.once else 2)


def _refuse(error: Exception, code: int) -> int:
    print(f"slipway_publisher: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m slipway_publisher",
        description=ABOUT,
        epilog=f"environment variables, [default]:\n{describe()}".replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--once", action="store_true", help="publish once and end, as a cron job: by 0, or by 1 with why")
    mode.add_argument("--check", action="store_true", help="only look at the settings and the template")
    return parser


def _check(settings: Settings) -> int:
    renderer = Renderer(settings.template)
    try:
        renderer.check()
    finally:
        renderer.close()
    return 0


def _once(settings: Settings, client: Client) -> int:
    renderer = Renderer(settings.template)
    view = View(client, settings.namespace, settings.service, inactivity=settings.inactivity, changed=lambda _at: None)
    # What goes wrong is said at the end, in one line.
    logging.getLogger("slipway_publisher.targets").setLevel(logging.CRITICAL)
    try:
        snapshot = publish(settings, view, renderer, Metrics())
    finally:
        renderer.close()
    log.info("Published", extra={"generation": snapshot.generation, "endpoints": len(snapshot.endpoints)})
    return 0


def _serve(settings: Settings, client: Client) -> int:
    metrics, renderer = Metrics(), Renderer(settings.template)
    publisher = Publisher(settings, metrics, renderer)
    view = View(client, settings.namespace, settings.service, inactivity=settings.inactivity, changed=publisher.changed)
    lease = Lease(
        client,
        settings.namespace,
        settings.lease,
        identity=settings.identity,
        seconds=settings.lease_seconds,
        changed=publisher.wake,
    )
    publisher.view, publisher.lease = view, lease
    metrics.watch(lambda: view.restarts)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: publisher.stop())
    with metrics.served(settings.port, alive=lambda: publisher.alive, ready=lambda: view.synced) as port, view, lease:
        log.info("Running", extra={"port": port, "identity": settings.identity})
        publisher.run()
    renderer.close()
    log.info("Ended")
    return 0


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    # Not by sys.exit(), which waits for every thread: one may be asking a store that does not answer.
    os._exit(code)
