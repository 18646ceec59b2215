"""python -m slipway_redis data|sentinel|ctl|backup|restore. Ends by 0; by 1 if it could not go on, by 2 not begin."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import typing as t

from ansible_collections.slipway.cloud.plugins.module_utils.program import logs, serving
from ansible_collections.slipway.cloud.plugins.module_utils.program.command import leave, parser, refuse
from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import SettingsError, describe

from .data import DataNode
from .links import Links
from .master_service import MasterService
from .metrics import Metrics
from .sentinel import Sentinel
from .served import app
from .settings import VARIABLES, Settings, from_environ

log = logging.getLogger(__name__)

PROGRAM = "slipway_redis"
ABOUT = """\
The agent of Slipway's Redis. data and sentinel run a node, until SIGTERM; ctl, backup and restore are for operators.
"""
_OTHERS = ("ctl", "backup", "restore")  # each a module with main(argv) -> exit code


def main(arguments: t.Sequence[str]) -> int:
    """Run one of the programs; returns the exit code."""
    if arguments and arguments[0] in _OTHERS:
        return int(importlib.import_module(f".{arguments[0]}", __package__).main(arguments[1:]))
    known = parser(PROGRAM, ABOUT, describe(VARIABLES.values()))
    known.add_argument("node", choices=("data", "sentinel"), help="what this pod is")
    wanted = known.parse_args(arguments)
    logs.configure(noisy=("urllib3", "kubernetes"))
    try:
        kind = "data" if wanted.node == "data" else "sentinels"
        return _run(from_environ(os.environ, kind), wanted.node)
    except (SettingsError, serving.PortError, ValueError) as error:
        return refuse(PROGRAM, error)


def _run(settings: Settings, kind: str) -> int:
    metrics, links = Metrics(), Links(settings)
    node: DataNode | Sentinel
    if kind == "data":
        node = DataNode(settings, metrics, links, _service(settings))
    else:
        node = Sentinel(settings, metrics, links)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: node.stop())
    served = app(metrics, alive=node.alive, ready=node.ready, state=node.state)
    with serving.served(settings.port, served, host=settings.bind) as port:
        log.info("Running", extra={"pod": settings.pod, "kind": kind, "port": port})
        code = node.run()
    log.info("Ended", extra={"code": code})
    return code


def _service(settings: Settings) -> MasterService | None:
    """Return what has the Service follow the master, started; None where this pod has no address to show."""
    if not settings.pod_ip:
        return None
    service = MasterService(settings.namespace, settings.master_service, settings.pod)
    service.start()
    return service


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
