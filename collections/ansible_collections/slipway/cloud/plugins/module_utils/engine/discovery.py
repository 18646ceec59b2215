# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kinds the API server has, and where: asked once for each group and version, and for each client.

A kind that was not there is asked for again the next time, because a CustomResourceDefinition may have come since.
"""

from __future__ import annotations

import time
import typing as t

from .errors import NotFoundError
from .resources import KNOWN, Object, Resource

if t.TYPE_CHECKING:
    from .client import Client

_DELAYS = (0.05, 0.1, 0.2, 0.5)


def find(client: Client, api_version: str, kind: str) -> Resource | None:
    """Return the resource of a kind, None if the server has none of that name now."""
    wanted = api_version, kind
    if wanted in KNOWN:
        return KNOWN[wanted]
    if wanted not in client.discovered:
        client.discovered.update(_served(client, api_version))
    return client.discovered.get(wanted)


def collections(client: Client) -> list[Resource]:
    """Return every resource that can be listed, in the version that the server prefers."""
    groups = client.get("/apis", action="ask for the groups of the API")["groups"]
    versions = ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]
    answers = [client.get(_path(version), action=f"ask for the kinds of {version}") for version in versions]
    return [
        resource
        for answer in answers
        for resource in resources_in({**answer, "resources": [e for e in answer["resources"] if "list" in e["verbs"]]})
    ]


def _path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _served(client: Client, api_version: str) -> dict[tuple[str, str], Resource]:
    """Ask for all kinds of a group and version; empty if the server does not have it."""
    try:
        answer = client.get(_path(api_version), action=f"ask for the kinds of {api_version}")
    except NotFoundError:
        return {}
    return {(api_version, each.kind): each for each in resources_in(answer)}


def resources_in(answer: Object) -> list[Resource]:
    """Return the resources of an APIResourceList, without subresources, as C(deployments/scale) is one."""
    version, names = answer["groupVersion"], {each["name"] for each in answer["resources"]}
    return [
        Resource(version, each["kind"], each["name"], each["namespaced"], has_status=f"{each['name']}/status" in names)
        for each in answer["resources"]
        if "/" not in each["name"]
    ]


def await_kinds(client: Client, kinds: t.Iterable[tuple[str, str]], *, deadline: float) -> None:
    """Wait until the server serves kinds whose definitions it has established: that takes it a moment.

    ``deadline`` is a time.monotonic(). There is no stream that tells; what is still missing then is left to be told.
    """
    for kind in kinds:
        delays = iter(_DELAYS)
        while find(client, *kind) is None and time.monotonic() < deadline:
            time.sleep(next(delays, _DELAYS[-1]))
