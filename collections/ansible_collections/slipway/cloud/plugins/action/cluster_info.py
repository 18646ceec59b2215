# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module cluster_info."""

from __future__ import annotations

import typing as t

from ..module_utils._ansible import Params, client_of
from ..module_utils._cluster import clusters_among, standing
from ..module_utils._spec import CONNECTION, Spec
from ..module_utils.engine.lifecycle import inspect
from ..module_utils.engine.resources import DEPLOYMENT, MANAGED_BY, OURS
from ..plugin_utils._engine_action import LookAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client
    from ..module_utils.engine.resources import Object


class ActionModule(LookAction):
    """Looks at clusters."""

    spec: t.ClassVar[Spec] = {"name": {"type": "str"}, "namespace": {"type": "str"}, **CONNECTION}

    def look(self, params: Params) -> dict[str, t.Any]:
        """List the clusters and judge each. :raises EngineError:"""
        with client_of(params) as client:
            found = clusters_among(deployments(client), name=params["name"])
            verdicts = inspect(client, found)
        return {"clusters": [standing(*each) for each in zip(found, verdicts, strict=True)]}


def deployments(client: Client) -> list[Object]:
    """Return the Deployments of the client's namespace that Slipway made."""
    query = {"labelSelector": f"{MANAGED_BY}={OURS}"}
    items = client.get(DEPLOYMENT.path(client.namespace), query, action=f"list clusters of {client.namespace}")["items"]
    return [{**item, "apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind} for item in items]
