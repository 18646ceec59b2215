"""python -m slipway_worker: serves until SIGTERM. Ends by 0, or by 2 with a line on stderr if it cannot begin."""

from __future__ import annotations

import asyncio
import gc
import os
import typing as t

# Before gRPC is imported: what it says of each broken handshake is not for an operator, and not JSON.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from prometheus_client import make_wsgi_app

from ansible_collections.slipway.cloud.plugins.module_utils.engine.client import Client, Connection
from ansible_collections.slipway.cloud.plugins.module_utils.engine.errors import EngineError
from ansible_collections.slipway.cloud.plugins.module_utils.program import logs, serving
from ansible_collections.slipway.cloud.plugins.module_utils.program.command import leave, parser, refuse
from ansible_collections.slipway.cloud.plugins.module_utils.program.settings import SettingsError, describe

from .fleet import Fleet
from .identity import Gate, TokensError
from .metrics import Metrics
from .server import Server
from .service import Clusters
from .settings import VARIABLES, Settings, from_environ
from .store import Store
from .tls import Certificates, TlsError

PROGRAM = "slipway_worker"
ABOUT = """\
The worker of Slipway: creates, scales, watches and deletes clusters of pods, as the gRPC service slipway.v1.Clusters.
It keeps its state in Kubernetes alone, which it reaches by KUBECONFIG, or as the pod that it runs in.
"""


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Run the worker; returns the exit code."""
    parser(PROGRAM, ABOUT, describe(VARIABLES.values())).parse_args(arguments)
    logs.configure(noisy=("urllib3", "asyncio", "kubernetes"))
    try:
        asyncio.run(_run(from_environ(os.environ)))
    except (SettingsError, TlsError, TokensError, serving.PortError, EngineError) as error:
        return refuse(PROGRAM, error)
    return 0


async def _run(settings: Settings) -> None:
    gate, certificates, metrics = Gate(settings.tokens_file), Certificates(settings.tls_dir), Metrics()
    with (
        Client(Connection(pool=settings.threads)) as client,
        Fleet(client, settings.namespaces, inactivity=settings.inactivity) as fleet,
    ):
        metrics.watch(fleet, certificates)
        clusters = Clusters(settings, Store(client), fleet, metrics)
        server = Server(settings, clusters, gate=gate, certificates=certificates, metrics=metrics)
        # What was imported stays. A full collection that looked through it would hold up all calls for tens of ms.
        gc.collect()
        gc.freeze()
        with serving.served(settings.metrics_port, serving.application(make_wsgi_app(metrics.registry))):
            await server.serve(fleet)


if __name__ == "__main__":
    leave(main())
