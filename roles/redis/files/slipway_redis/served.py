"""What the kubelet, Prometheus and the other agents ask this one for."""

from __future__ import annotations

import json
import typing as t

from prometheus_client import make_wsgi_app

from ansible_collections.slipway.cloud.plugins.module_utils.program.serving import application

if t.TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from .metrics import Metrics

Check = t.Callable[[], bool]
Document = t.Mapping[str, t.Any]


def app(metrics: Metrics, *, alive: Check, ready: Check, state: t.Callable[[], Document]) -> WSGIApplication:
    """Return the application: /healthz, /readyz, /metrics, and /state as JSON, which has nothing secret."""
    others = application(make_wsgi_app(metrics.registry), {"/healthz": alive, "/readyz": ready})

    def answer(environ: WSGIEnvironment, start: StartResponse) -> t.Iterable[bytes]:
        if environ["PATH_INFO"] != "/state":
            return others(environ, start)
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(state()).encode()]

    return answer
