# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a workload is scaled and restarted: which fields of it count. Pure.

Places are JSON Pointers, RFC 6901. A number of replicas anywhere else is accepted by the server, and changes nothing.
"""

from __future__ import annotations

import copy
import typing as t

from .resources import ROLLOUT, SELDON_DEPLOYMENT, is_built_in

if t.TYPE_CHECKING:
    from .resources import Object

WORKLOADS = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Pod", "CronJob"})
"""Those of Kubernetes' own kinds that run something."""

_TAKERS = {
    "patch": WORKLOADS,
    "restart": frozenset({"Deployment", "StatefulSet", "DaemonSet"}),
    "scale": frozenset({"Deployment", "ReplicaSet", "StatefulSet"}),
}
_REPLICAS = "/spec/replicas"
_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def takes(obj: Object, operation: str) -> bool:
    """Whether an object can be taken through an operation, as C(scale), as far as can be told: any custom resource may.

    Any operation that is not in the table does for all.
    """
    kinds = _TAKERS.get(operation)
    return kinds is None or not is_built_in(obj) or obj["kind"] in kinds


def replica_places(obj: Object) -> list[str]:
    """Return the places of every number of replicas that counts for this object."""
    places = _PLACES.get(_kind(obj))
    return places(obj) if places else [_REPLICAS]


def replicas_of(obj: Object) -> int | None:
    """Return the number of replicas that an object declares, the first one where it has several; None without one."""
    return next((number for place in replica_places(obj) if (number := _at(obj, place)) is not None), None)


def with_replicas(obj: Object, replicas: int) -> Object:
    """Return a copy of an object that declares another number of replicas, in every place that counts."""
    changed = copy.deepcopy(obj)
    for place in replica_places(obj):
        *parents, last = place.split("/")[1:]
        node: t.Any = changed
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        node[last] = replicas
    return changed


def _seldon_places(obj: Object) -> list[str]:
    """Return the places of a SeldonDeployment, as its operator 1.18 reads them.

    The number of a component counts before that of its predictor, and that before the one of the whole.
    """
    places: list[str] = []
    inherits = False
    for number, predictor in enumerate(obj.get("spec", {}).get("predictors") or []):
        own = f"/spec/predictors/{number}"
        components = predictor.get("componentSpecs") or [{}]
        heirs = [each for each in components if "replicas" not in each]
        places += [f"{own}/componentSpecs/{i}/replicas" for i, each in enumerate(components) if "replicas" in each]
        if heirs and "replicas" in predictor:
            places.append(f"{own}/replicas")
        inherits = inherits or bool(heirs and "replicas" not in predictor)
    return places + [_REPLICAS] * (inherits or not places)


def restarted(obj: Object, at: str) -> Object:
    """Return the fields that make the controller of an object replace all its pods. ``at`` is a time as of RFC 3339."""
    annotation = {"annotations": {_RESTARTED_AT: at}}
    fields: dict[tuple[str, str], Object] = {
        SELDON_DEPLOYMENT: annotation,  # its operator copies them to the pod templates
        ROLLOUT: {"restartAt": at},
    }
    return {"spec": fields.get(_kind(obj), {"template": {"metadata": annotation}})}


def _kind(obj: Object) -> tuple[str, str]:
    return obj["apiVersion"].rpartition("/")[0], obj["kind"]


_PLACES: dict[tuple[str, str], t.Callable[[Object], list[str]]] = {SELDON_DEPLOYMENT: _seldon_places}


def _at(obj: Object, place: str) -> int | None:
    node: t.Any = obj
    for part in place.split("/")[1:]:
        node = node[int(part)] if isinstance(node, list) else node.get(part)
        if node is None:
            return None
    return int(node)
