# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module redis_plan."""

from __future__ import annotations

import typing as t

from ..module_utils._ansible import Params, client_of, refuse
from ..module_utils._redis_plan import (
    Found,
    SetWanted,
    addresses,
    is_virgin,
    leaving,
    problems_of,
    refusing_address,
    spread,
    warnings,
)
from ..module_utils._spec import CONNECTION, Spec
from ..module_utils.engine.apply import read
from ..module_utils.engine.errors import ForbiddenError
from ..module_utils.engine.resources import NODE, SERVICE, STORAGE_CLASS, Resource
from ..plugin_utils._engine_action import LookAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client
    from ..module_utils.engine.resources import Object

_STATEFUL_SET = Resource("apps/v1", "StatefulSet", "statefulsets")
_CLAIM = Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")


class ActionModule(LookAction):
    """Looks whether Redis fits what is there."""

    spec: t.ClassVar[Spec] = {
        "namespace": {"type": "str", "required": True},
        "sets": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "name": {"type": "str", "required": True},
                "replicas": {"type": "int", "required": True},
                "size": {"type": "str", "required": True},
            },
        },
        "storage_class": {"type": "str", "default": ""},
        "check_class": {"type": "bool", "default": True},
        "spread": {"type": "str", "choices": ["auto", "required", "preferred"], "default": "auto"},
        "node_selector": {"type": "dict", "default": {}},
        **CONNECTION,
    }

    def look(self, params: Params) -> dict[str, t.Any]:
        """Look, refuse what cannot be, and report the rest. :raises EngineError:"""
        wanted = [SetWanted(**each) for each in params["sets"]]
        namespace, selector = params["namespace"], params["node_selector"]
        with client_of(params) as client:
            found = Found(
                sets={each.name: read(client, _STATEFUL_SET, namespace, each.name) for each in wanted},
                services=_listed(client, SERVICE, namespace) or [],
                claims=_listed(client, _CLAIM, namespace) or [],
                storage_classes=_listed(client, STORAGE_CLASS) if params["check_class"] else None,
                nodes=_listed(client, NODE),
            )
        refuse(problems_of(found, wanted, params["storage_class"]))
        return {
            "virgin": is_virgin(found),
            "addresses": addresses(found),
            "refusing_address": refusing_address(found),
            "spread": spread(found, params["spread"], wanted, selector),
            "leaving": leaving(found, wanted),
            "claims": [each["metadata"]["name"] for each in found.claims],
            "told": warnings(found, wanted, selector),
        }


def _listed(client: Client, resource: Resource, namespace: str | None = None) -> list[Object] | None:
    """Return all objects of a kind, None if the credentials may not look."""
    try:
        return list(client.get(resource.path(namespace), action=f"list {resource.plural}")["items"])
    except ForbiddenError:
        return None
