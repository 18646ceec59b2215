# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module addons_plan."""

from __future__ import annotations

import typing as t

from ..module_utils._addons import BALANCERS, Found, announced_by_excluded, default_class, plan, problems
from ..module_utils._ansible import Params, client_of, refuse
from ..module_utils._spec import CONNECTION, Spec
from ..module_utils.engine.apply import read
from ..module_utils.engine.errors import ForbiddenError
from ..module_utils.engine.resources import NODE, Resource
from ..plugin_utils._engine_action import LookAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client
    from ..module_utils.engine.resources import Object

_CHOICE: t.Final = {"type": "str", "choices": ["auto", "true", "false"], "default": "auto"}
_LOOKED_AT = {
    "storage_classes": Resource("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False),
    "api_services": Resource("apiregistration.k8s.io/v1", "APIService", "apiservices", namespaced=False),
    "nodes": NODE,
}
_DEFINITION = Resource(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
_REVIEWS = Resource("authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False)
_EVERYTHING = {"verb": "*", "group": "*", "resource": "*"}
"""Who installs an add-on needs the rights that it grants."""


class ActionModule(LookAction):
    """Decides which add-ons the Kubernetes at hand lacks."""

    spec: t.ClassVar[Spec] = {
        "storage": _CHOICE,
        "load_balancer": _CHOICE,
        "metrics": _CHOICE,
        "address_pool": {"type": "list", "elements": "str", "default": []},
        **CONNECTION,
    }

    def look(self, params: Params) -> dict[str, t.Any]:
        """Look and decide. :raises EngineError:"""
        pool = params["address_pool"]
        with client_of(params) as client:
            found = Found(
                **{name: _listed(client, resource) for name, resource in _LOOKED_AT.items()},
                definitions=_definitions(client),
                admin=_is_admin(client),
            )
        choices = {name: params[name] for name in ("storage", "load_balancer", "metrics")}
        add_ons = plan(found, **choices, pool=pool)
        refuse(problems(add_ons, admin=found.admin, pool=pool))
        return {
            "addons": [each.as_dict(admin=found.admin) for each in add_ons],
            "default_class": default_class(found),
            "announced_by_excluded": announced_by_excluded(found),
        }


def _listed(client: Client, resource: Resource) -> list[Object] | None:
    """Return all objects of a kind, None if the credentials may not look."""
    try:
        return list(client.get(resource.path(), action=f"list {resource.plural}")["items"])
    except ForbiddenError:
        return None


def _definitions(client: Client) -> list[Object] | None:
    """Return the definitions that tell of a load balancer; each by its name, for all of them may be megabytes."""
    try:
        return [each for name in BALANCERS if (each := read(client, _DEFINITION, None, name))]
    except ForbiddenError:
        return None


def _is_admin(client: Client) -> bool:
    body = {
        "apiVersion": _REVIEWS.api_version,
        "kind": _REVIEWS.kind,
        "spec": {"resourceAttributes": _EVERYTHING},
    }
    answer = client.request("POST", _REVIEWS.path(), body=body, action="ask for the credentials' rights")
    return bool(answer["status"]["allowed"])
