# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""The module pull_secret's decisions: what the Secret holds, and who is to use it. Pure."""

from __future__ import annotations

import base64
import json
import typing as t
from urllib.parse import urlsplit

from .engine.resources import MANAGED_BY, OURS

if t.TYPE_CHECKING:
    from .engine.resources import Object

TYPE = "kubernetes.io/dockerconfigjson"
KEY = ".dockerconfigjson"


def secret(name: str, namespace: str, *, registry: str, username: str, password: str) -> Object:
    """Return the Secret that the kubelet logs in to a registry with.

    :param registry: URL of the registry; its path does not count.
    """
    login = {
        "username": username,
        "password": password,
        "auth": base64.b64encode(f"{username}:{password}".encode()).decode(),
    }
    config = json.dumps({"auths": {urlsplit(registry).netloc: login}})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {MANAGED_BY: OURS}},
        "type": TYPE,
        "data": {KEY: base64.b64encode(config.encode()).decode()},
    }


def account_with(secret_name: str, name: str, namespace: str) -> Object:
    """Return a ServiceAccount that names the Secret."""
    meta = {"name": name, "namespace": namespace}
    pull = [{"name": secret_name}]
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta, "imagePullSecrets": pull}


def reference_change(account: Object, name: str, *, wanted: bool) -> Object | None:
    """Return the merge patch after which a ServiceAccount names the Secret, or no longer; None if it is so.

    The list is replaced as a whole, so it must still be the one that was read.
    """
    entries = account.get("imagePullSecrets") or []
    others = [entry for entry in entries if entry.get("name") != name]
    if wanted == (len(others) < len(entries)):
        return None
    return {
        "metadata": {"resourceVersion": account["metadata"]["resourceVersion"]},
        "imagePullSecrets": [*others, {"name": name}] if wanted else others,
    }
