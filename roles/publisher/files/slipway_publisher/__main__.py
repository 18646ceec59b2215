"""python -m slipway_publisher: until SIGTERM. Ends by 0, by 1 if --once or --check fails, by 2 if it cannot begin."""

from __future__ import annotations

import logging
import os
import signal
import typing as t

from prometheus_client import make_wsgi_app

from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import Client, Connection
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import ConfigurationError, EngineError
from ansible_collections.slipway.cloud.plugins.module_utils.program import logs, serving
from ansible_collections.slipway.cloud.plugins.module_utils.program.command import CANNOT_BEGIN, leave, parser, refuse
from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import SettingsError, describe

from .lease import Lease
from .metrics import Metrics
from .once import NothingPublishedError, publish
from .page import Renderer, TemplateError
from .publisher import Publisher
from .settings import STORES, VARIABLES, Settings, from_environ
from .view import View

if t.TYPE_CHECKING:
    import argparse

log = logging.getLogger(__name__)

PROGRAM = "slipway_publisher"
ABOUT = """\
The publisher of Slipway: keeps the list of a Service's pods in object stores, as a page and as JSON, with its history.
It reaches the API server by KUBECONFIG, or as the pod that it runs in.
"""


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Run the publisher; returns the exit code."""
    wanted = _parser().parse_args(arguments)
    logs.configure(noisy=("urllib3", "botocore", "boto3", "s3transfer", "kubernetes"))
    try:
        settings = from_environ(os.environ)
        if wanted.check:
            return _check(settings)
        with Client(Connection()) as client:
            return _once(settings, client) if wanted.once else _serve(settings, client)
    except (NothingPublishedError, TemplateError) as error:
        return refuse(PROGRAM, error, 1)
    except (SettingsError, serving.PortError, ConfigurationError) as error:
        return refuse(PROGRAM, error)
    except EngineError as error:
        return refuse(PROGRAM, error, 1 if wanted.once else CANNOT_BEGIN)


def _parser() -> argparse.ArgumentParser:
    known = parser(PROGRAM, ABOUT, describe(VARIABLES.values(), STORES))
    mode = known.add_mutually_exclusive_group()
    mode.add_argument("--once", action="store_true", help="publish once and end, as a cron job: by 0, or by 1 with why")
    mode.add_argument("--check", action="store_true", help="only look at the settings and the template")
    return known


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
    checks = {"/healthz": lambda: publisher.alive, "/readyz": lambda: view.synced}
    app = serving.application(make_wsgi_app(metrics.registry), checks)
    with serving.served(settings.port, app) as port, view, lease:
        log.info("Running", extra={"port": port, "identity": settings.identity})
        publisher.run()
    renderer.close()
    log.info("Ended")
    return 0


if __name__ == "__main__":
    leave(main())
