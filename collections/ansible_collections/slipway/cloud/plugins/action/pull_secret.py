# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module pull_secret."""

from __future__ import annotations

import typing as t

from ..module_utils._ansible import Params, client_of
from ..module_utils._pull_secret import account_with, reference_change, secret
from ..module_utils._spec import CONNECTION, SECRETS, Spec
from ..module_utils.engine.apply import apply, delete, differs, patch, read, read_ours
from ..module_utils.engine.resources import SECRET, SERVICE_ACCOUNT
from ..plugin_utils._engine_action import EngineAction

if t.TYPE_CHECKING:
    from ..module_utils.engine.client import Client


class ActionModule(EngineAction):
    """Lets the pods of namespaces pull from a private registry."""

    spec: t.ClassVar[Spec] = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        **SECRETS["name"],
        "namespaces": {"type": "list", "elements": "str", "required": True},
        "service_account": {"type": "str", "default": "default"},
        "registry": {"type": "str"},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        **CONNECTION,
    }
    rules: t.ClassVar = {"required_if": [("state", "present", ("registry", "username", "password"))]}

    def work(self, params: Params) -> dict[str, t.Any]:
        """Make every namespace as the options say; contents of Secrets are in no result. :raises EngineError:"""
        settle = {"present": settle_secret, "absent": remove_secret}[params["state"]]
        with client_of(params) as client:
            changed = [
                step(client, namespace, params, dry_run=self._task.check_mode)
                for namespace in params["namespaces"]
                for step in (settle, settle_account)
            ]
        return {"changed": any(changed)}


def settle_secret(client: Client, namespace: str, params: Params, *, dry_run: bool) -> bool:
    """Have the Secret hold the login; return whether that changes anything."""
    login = {key: params[key] for key in ("registry", "username", "password")}
    wanted = secret(params["name"], namespace, **login)
    current = read_ours(client, SECRET, namespace, params["name"])
    if current is None and dry_run:  # and perhaps its namespace is yet to be made
        return True
    written = apply(client, SECRET, wanted, dry_run=dry_run)
    return current is None or differs(current, written)


def remove_secret(client: Client, namespace: str, params: Params, *, dry_run: bool) -> bool:
    """Delete the Secret, if it is there and ours; return whether that changes anything."""
    current = read_ours(client, SECRET, namespace, params["name"])
    if current and not dry_run:
        delete(client, SECRET, current, foreground=False)
    return current is not None


def settle_account(client: Client, namespace: str, params: Params, *, dry_run: bool) -> bool:
    """Have the ServiceAccount name the Secret, or no longer; return whether that changes anything."""
    wanted, name = params["state"] == "present", params["service_account"]
    account = read(client, SERVICE_ACCOUNT, namespace, name)
    if account is None:  # in a new namespace Kubernetes has not made it yet; it leaves alone what is there
        if wanted and not dry_run:
            apply(client, SERVICE_ACCOUNT, account_with(params["name"], name, namespace), dry_run=False)
        return bool(wanted)
    change = reference_change(account, params["name"], wanted=wanted)
    if change and not dry_run:
        patch(client, SERVICE_ACCOUNT, account, change)
    return change is not None
