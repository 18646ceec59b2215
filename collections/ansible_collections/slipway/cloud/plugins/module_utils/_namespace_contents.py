# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What of a namespace's contents somebody made, and who. Pure."""

from __future__ import annotations

import typing as t

from .engine.apply import is_ours

if t.TYPE_CHECKING:
    from .engine.resources import Object

# Kept by Kubernetes itself, beside other objects or in every namespace.
_DERIVED = frozenset({"Endpoints", "EndpointSlice", "Event", "Lease", "PodMetrics"})
_DEFAULTS = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})


def sorted_out(objects: t.Iterable[Object]) -> tuple[list[Object], list[Object]]:
    """Return the objects that Slipway made, and those that somebody else did.

    What belongs to another object is neither, as a pod of a Deployment.
    """
    made = [obj for obj in objects if not _comes_by_itself(obj)]
    return [obj for obj in made if is_ours(obj)], [obj for obj in made if not is_ours(obj)]


def _comes_by_itself(obj: Object) -> bool:
    meta, kind = obj["metadata"], obj["kind"]
    return kind in _DERIVED or (kind, meta["name"]) in _DEFAULTS or bool(meta.get("ownerReferences"))
