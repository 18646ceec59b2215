# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module access."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..module_utils._access import Question, Right, missing, questions_of, rows_of
from ..module_utils._ansible import Params, client_of
from ..module_utils._spec import CONNECTION, Spec
from ..module_utils.engine.apply import read
from ..module_utils.engine.discovery import find
from ..module_utils.engine.errors import ForbiddenError
from ..module_utils.engine.resources import Object, object_key
from ..plugin_utils._engine_action import LookAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_AT_ONCE = 8


class ActionModule(LookAction):
    """Asks what the credentials may do."""

    spec: t.ClassVar[Spec] = {
        "rights": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "why": {"type": "str", "required": True},
                "namespaces": {"type": "list", "elements": "str", "default": [""]},
                "rules": {
                    "type": "list",
                    "elements": "dict",
                    "required": True,
                    "options": {
                        "apiGroups": {"type": "list", "elements": "str", "required": True},
                        "resources": {"type": "list", "elements": "str", "required": True},
                        "verbs": {"type": "list", "elements": "str", "required": True},
                    },
                },
                "needed": {"type": "bool", "default": True},
                "unless": {"type": "list", "elements": "dict", "default": []},
            },
        },
        **CONNECTION,
    }

    def look(self, params: Params) -> dict[str, t.Any]:
        """Ask, and report what is not allowed. :raises EngineError:"""
        with client_of(params) as client, ThreadPoolExecutor(_AT_ONCE) as pool:
            questions = [question for right in params["rights"] for question in questions_of(right)]
            allowed = dict(zip(questions, pool.map(lambda each: is_allowed(client, each), questions), strict=True))
            return {"origin": client.origin, **report(client, params["rights"], allowed)}


def is_allowed(client: Client, question: Question) -> bool:
    """Ask the API server one question."""
    answer = client.request("POST", _REVIEWS, body=question.review(), action="ask what the credentials may do")
    return bool(answer["status"]["allowed"])


def report(
    client: Client, rights: t.Sequence[Right], allowed: t.Mapping[Question, bool]
) -> dict[str, list[dict[str, t.Any]] | list[str]]:
    """Return the rows of what is not allowed, and what is lacking of the objects that would make up for it."""
    rows, lacking = [], []
    for right in rights:
        denied = [question for question in questions_of(right) if not allowed[question]]
        lacks = [line for obj in right["unless"] for line in lacks_of(client, obj)] if denied else []
        rows += rows_of(right, denied, lacks)
        lacking += lacks
    return {"denied": rows, "lacking": lacking}


def lacks_of(client: Client, declared: Object) -> list[str]:
    """Return what an object lacks of what is declared."""
    namespace, name = object_key(declared)
    try:
        resource = find(client, declared["apiVersion"], declared["kind"])
        return missing(declared, read(client, resource, namespace, name) if resource else None)
    except ForbiddenError:
        return [f"{declared['kind']} {name} may not be looked at, so nobody knows whether it is there"]
