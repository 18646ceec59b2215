# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module service_request."""

from __future__ import annotations

import http.client
import time
import typing as t
from urllib.error import HTTPError, URLError

from ansible.module_utils.urls import open_url

from ..module_utils._ansible import Params, client_of
from ..module_utils._service_request import (
    SAFE_METHODS,
    Request,
    address_of,
    nobody_there,
    port_of,
    problems_of,
    proxy_path,
    request_of,
)
from ..module_utils._spec import CONNECTION, TOLD, Spec
from ..module_utils.engine.apply import read
from ..module_utils.engine.client import Answer
from ..module_utils.engine.errors import EngineError, UnreachableError
from ..module_utils.engine.progress import Event, Milestone
from ..module_utils.engine.reflector import Backoff
from ..module_utils.engine.resources import SERVICE, title
from ..plugin_utils._engine_action import EngineAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client
    from ..module_utils.engine.resources import Object

Send = t.Callable[[Request], Answer]


class ActionModule(EngineAction):
    """Sends a request to a Service and compares the answer with what is expected."""

    spec: t.ClassVar[Spec] = {
        "service": {"type": "str", "required": True},
        "namespace": {"type": "str"},
        "port": {"type": "str"},
        "scheme": {"type": "str", "choices": ["http", "https"], "default": "http"},
        "via": {"type": "str", "choices": ["proxy", "address"], "default": "proxy"},
        "method": {"type": "str", "default": "GET"},
        "path": {"type": "str", "default": "/"},
        "headers": {"type": "dict", "default": {}},
        "body": {"type": "raw"},
        "status": {"type": "list", "elements": "int", "default": [200]},
        "contains": {"type": "str"},
        "wait_timeout": {"type": "float", "default": 60.0},
        **CONNECTION,
        **TOLD,
    }

    def work(self, params: Params) -> dict[str, t.Any]:
        """Ask until somebody answers, and report. :raises EngineError:"""
        changes = params["method"] not in SAFE_METHODS
        if self._task.check_mode and changes:
            return {"changed": True}
        request = request_of(params["method"], params["path"], params["headers"], params["body"])
        began = time.monotonic()
        with client_of(params) as client, self.listening(params) as listener:
            answer = first_answer(sender_of(client, params), request, deadline=began + params["wait_timeout"])
            problems = problems_of(answer, status=params["status"], contains=params["contains"])
            milestone: Milestone = "failed" if problems else "took effect"
            message = f"{request.method} {request.path}: {'; '.join(problems) or answer.status}"
            elapsed = time.monotonic() - began
            what = {"kind": SERVICE.kind, "namespace": client.namespace, "name": params["service"]}
            listener(Event(stage="answered", milestone=milestone, message=message, elapsed=elapsed, **what))
            said = {"status": answer.status, "body": answer.data.decode(errors="replace"), "seconds": round(elapsed, 3)}
        if problems:
            where = title(what["kind"], what["name"], what["namespace"])
            return {"changed": changes, "failed": True, "msg": f"{where}: {message}", **said}
        return {"changed": changes, **said}


def sender_of(client: Client, params: Params) -> Send:
    """Return what sends a request to the Service. :raises EngineError: if there is none, or no such port."""
    service = read(client, SERVICE, client.namespace, params["service"])
    if service is None:
        raise EngineError(f"{title('Service', params['service'], client.namespace)} does not exist.", code="not_found")
    port = port_of(service, params["port"])
    if params["via"] == "address":
        return direct(service, port, params["scheme"], timeout=params["request_timeout"])

    def send(request: Request) -> Answer:
        path = proxy_path(service, port, params["scheme"], request.path)
        action = f"ask Service {params['service']}"
        return client.relay(request.method, path, action=action, headers=request.headers, data=request.data)

    return send


def direct(service: Object, port: int, scheme: str, *, timeout: float) -> Send:
    """Return what sends a request to a Service's own address."""
    server = f"{scheme}://{address_of(service)}:{port}"

    def send(request: Request) -> Answer:
        url = f"{server}/{request.path.lstrip('/')}"
        what = {"method": request.method, "headers": request.headers, "data": request.data}
        try:
            with open_url(url, **what, timeout=timeout) as response:
                return Answer(response.status, response.read())
        except HTTPError as error:
            with error:
                return Answer(error.code, error.read())
        except (URLError, OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"Cannot reach {url}: {error}.") from error

    return send


def first_answer(send: Send, request: Request, *, deadline: float) -> Answer:
    """Return what the Service answers, asking again while it has no pod: no stream tells when its rules are set.

    :raises UnreachableError: if nobody can be reached in time.
    """
    backoff = Backoff()
    while True:
        try:
            answer = send(request)
            if not nobody_there(answer) or time.monotonic() >= deadline:
                return answer
        except UnreachableError as error:
            refused = "refused" in str(error)
            if time.monotonic() >= deadline or not (refused or request.method in SAFE_METHODS):
                raise
        time.sleep(backoff.next())
