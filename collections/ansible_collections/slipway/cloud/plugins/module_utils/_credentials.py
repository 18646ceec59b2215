# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""The module credentials' decisions: what a Secret is to hold, and what is made of that for others. Pure."""

from __future__ import annotations

import base64
import json
import re
import secrets
import string
import typing as t

from .engine.resources import MANAGED_BY, OURS

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .engine.resources import Object

Data = dict[str, str]
"""What a Secret holds: text by key."""

ALPHABET = string.ascii_letters + string.digits
SHORTEST = 8
_NAME = re.compile(r"[-._a-zA-Z0-9]+")
_MENTION = re.compile(r"\$\{([-._a-zA-Z0-9]+)\}")


def problems_of(values: Mapping[str, t.Any], copies: t.Sequence[Mapping[str, t.Any]], length: int) -> list[str]:
    """Return what is wrong with the options, one text each; no value is in them."""
    names = [name for name in values if not _NAME.fullmatch(str(name))]
    nested = [name for name, value in values.items() if isinstance(value, (dict, list))]
    unknown = sorted({name for copy in copies for name in mentions(copy["content"])} - set(values))
    return [
        *(["values is empty: name at least one"] if not values else []),
        *(["values has the key " + repr(name) + ": letters, digits, -, _ and . make a key" for name in names]),
        *([f"values.{name} is no text" for name in nested]),
        *([f"copies mention ${{{name}}}, which values does not have" for name in unknown]),
        *([f"length is {length}, which is less than {SHORTEST}"] if length < SHORTEST else []),
    ]


def settled(given: Mapping[str, t.Any], held: Mapping[str, str], length: int) -> Data:
    """Return what the Secret is to hold: of each value what is given, else what it holds, else a new one."""
    return {name: text(value) or held.get(name) or generated(length) for name, value in given.items()}


def generated(length: int) -> str:
    """Return so many random letters and digits."""
    return "".join(secrets.choice(ALPHABET) for _position in range(length))


def mentions(value: t.Any) -> set[str]:
    """Return the values that are named in some data."""
    if isinstance(value, dict):
        return {name for each in value.values() for name in mentions(each)}
    if isinstance(value, list):
        return {name for each in value for name in mentions(each)}
    return set(_MENTION.findall(value)) if isinstance(value, str) else set()


def filled(value: t.Any, credentials: Mapping[str, str]) -> t.Any:
    """Return some data with the values in it that it names."""
    if isinstance(value, dict):
        return {key: filled(each, credentials) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, credentials) for each in value]
    return _MENTION.sub(lambda found: credentials[found[1]], value) if isinstance(value, str) else value


def text(value: t.Any) -> str:
    """Return data as a Secret holds it: text as it is, the rest as JSON; nothing for None."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, sort_keys=True)


def contents(secret: Object | None) -> Data:
    """Return what a Secret holds."""
    data = (secret or {}).get("data") or {}
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}


def secret_with(name: str, namespace: str, data: Mapping[str, str], current: Object | None) -> Object:
    """Return the Secret that holds ``data``; it must be as it was read, if it was there."""
    meta: Object = {"name": name, "namespace": namespace, "labels": {MANAGED_BY: OURS}}
    if current:
        meta["resourceVersion"] = current["metadata"]["resourceVersion"]
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": encoded}
