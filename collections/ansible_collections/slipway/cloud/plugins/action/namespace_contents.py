# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module namespace_contents."""

from __future__ import annotations

import typing as t

from ..module_utils._ansible import Params, client_of
from ..module_utils._namespace_contents import sorted_out
from ..module_utils._spec import CONNECTION, Spec
from ..module_utils.engine.discovery import collections
from ..module_utils.engine.errors import ForbiddenError
from ..plugin_utils._engine_action import LookAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client
    from ..module_utils.engine.resources import Object, Resource


class ActionModule(LookAction):
    """Looks into namespaces."""

    spec: t.ClassVar[Spec] = {"namespaces": {"type": "list", "elements": "str", "required": True}, **CONNECTION}

    def look(self, params: Params) -> dict[str, t.Any]:
        """List the objects and report whose they are. :raises EngineError:"""
        ours: list[Object] = []
        shared: dict[str, list[str]] = {}
        with client_of(params) as client:
            resources = [each for each in collections(client) if each.namespaced]
            for namespace in params["namespaces"]:
                objects, hidden = contents(client, resources, namespace)
                mine, foreign = sorted_out(objects)
                ours += [identity(obj) for obj in mine]
                if others := [f"{obj['kind']} {obj['metadata']['name']}" for obj in foreign] + hidden:
                    shared[namespace] = others
        return {"ours": ours, "shared": shared}


def contents(client: Client, resources: t.Iterable[Resource], namespace: str) -> tuple[list[Object], list[str]]:
    """Return the objects of a namespace, and in words what may not be listed."""
    objects, hidden = [], []
    for each in resources:
        try:
            items = client.get(each.path(namespace), action=f"list the {each.plural} of {namespace}")["items"]
        except ForbiddenError:
            hidden.append(f"what {each.kind}s there are")
        else:
            objects += [{"apiVersion": each.api_version, "kind": each.kind, **item} for item in items]
    return objects, hidden


def identity(obj: Object) -> Object:
    """Return what identifies an object."""
    metadata = {key: obj["metadata"][key] for key in ("name", "namespace")}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
