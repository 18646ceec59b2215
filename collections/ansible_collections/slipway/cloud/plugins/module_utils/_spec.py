# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Argument specs that several modules share; each has a documentation fragment of the same name."""

from __future__ import annotations

import typing as t

Spec = dict[str, dict[str, t.Any]]

CONNECTION: Spec = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "connect_timeout": {"type": "float", "default": 5.0},
    "request_timeout": {"type": "float", "default": 30.0},
    "impersonate_user": {"type": "str"},
    "impersonate_groups": {"type": "list", "elements": "str", "default": []},
}

SECRETS: dict[str, Spec] = {
    "namespace": {"namespace": {"type": "str", "required": True}},
    "name": {"name": {"type": "str", "required": True}},
}

TOLD: Spec = {"progress": {"type": "bool", "default": True}, "events_path": {"type": "path"}}

WAIT: Spec = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "float", "default": 300.0},
    "fail_fast": {"type": "str", "choices": ["unrecoverable", "any", "never"], "default": "unrecoverable"},
    "patience": {"type": "dict", "default": {}},
    "concurrency": {"type": "int", "default": 8},
    **TOLD,
}

_EXPRESSIONS: t.Final[dict[str, t.Any]] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "jsonpath": {"type": "str", "required": True},
        "operator": {"type": "str", "default": "=="},
        "value": {"type": "raw"},
    },
}
RULES: Spec = {"ready_when": _EXPRESSIONS, "fail_when": _EXPRESSIONS}

DOCUMENTS: Spec = {
    "definition": {"type": "raw"},
    "src": {"type": "list", "elements": "path", "default": []},
    "namespace": {"type": "str"},
    "validate": {"type": "bool", "default": True},
}

CLUSTER: Spec = {
    "name": {"type": "str"},
    "namespace": {"type": "str"},
    "image": {"type": "str"},
    "image_pull_policy": {"type": "str", "choices": ["Always", "IfNotPresent", "Never"]},
    "replicas": {"type": "int"},
    "command": {"type": "list", "elements": "str"},
    "args": {"type": "list", "elements": "str"},
    "env": {"type": "dict", "default": {}},
    "labels": {"type": "dict", "default": {}},
    "node_selector": {"type": "dict", "default": {}},
    "resources": {
        "type": "dict",
        "default": {},
        "options": {"requests": {"type": "dict", "default": {}}, "limits": {"type": "dict", "default": {}}},
    },
}
