# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Merges one context of a kubeconfig into another, or takes it out; entries that lead elsewhere are never touched."""

from __future__ import annotations

import ipaddress
import typing as t
from urllib.parse import urlsplit

Kubeconfig = dict[str, t.Any]
EMPTY: Kubeconfig = {"apiVersion": "v1", "kind": "Config"}
_KINDS = {"clusters": "cluster", "users": "user", "contexts": "context"}


class KubeconfigError(Exception):
    """What cannot be merged, and what to do."""


def is_kubeconfig(config: t.Any) -> bool:
    """Tell whether the content of a file has the shape that `merge` relies on."""
    if not isinstance(config, dict):
        return False
    sections = [config.get(section) or [] for section in _KINDS]
    return all(
        isinstance(section, list) and all(isinstance(entry, dict) and "name" in entry for entry in section)
        for section in sections
    )


def merge(own: Kubeconfig, source: Kubeconfig, *, context: str, name: str) -> Kubeconfig:
    """Return ``own`` with the ``context`` of ``source`` in it, its cluster, user and context all called ``name``.

    Everything else stays as it is. ``name`` becomes the current context if there is none yet.
    :raises KubeconfigError: if ``source`` lacks the context or if an entry of that name leads to another Kubernetes.
    """
    chosen = _entry(source, "contexts", context)
    if chosen is None:
        known = ", ".join(entry["name"] for entry in source.get("contexts") or []) or "none"
        raise KubeconfigError(f"There is no context {context} to merge; there is: {known}.")
    cluster = _entry(source, "clusters", chosen["cluster"]) or {}
    user = _entry(source, "users", chosen["user"]) or {}
    if section := _foreign(own, name, cluster=cluster, user=user):
        raise KubeconfigError(
            f"Your kubeconfig has another {name} among its {section}, which does not lead to {cluster.get('server')}: "
            "choose another name."
        )
    kept = {key: value for key, value in (_entry(own, "contexts", name) or chosen).items() if key == "namespace"}
    return {
        **EMPTY,
        "current-context": name,
        **{key: value for key, value in own.items() if value not in (None, "")},
        "clusters": _with(own, "clusters", name, cluster),
        "users": _with(own, "users", name, user),
        "contexts": _with(own, "contexts", name, {**kept, "cluster": name, "user": name}),
    }


def without(own: Kubeconfig, source: Kubeconfig, *, context: str) -> Kubeconfig:
    """Return ``own`` less what :func:`merge` has made of the ``context`` of ``source``, under whatever names."""
    chosen = _entry(source, "contexts", context) or {}
    cluster = _entry(source, "clusters", chosen.get("cluster", "")) or {}
    names = [entry["name"] for entry in own.get("contexts") or [] if _merged_from(own, entry["name"], cluster)]
    if not names:
        return own
    sections = {section: [entry for entry in own[section] if entry["name"] not in names] for section in _KINDS}
    kept = {key: value for key, value in own.items() if key != "current-context" or value not in names}
    return {**kept, **sections}


def is_empty(config: Kubeconfig) -> bool:
    """Tell whether a kubeconfig leads nowhere and says nothing else."""
    return {key: value for key, value in config.items() if value not in ([], "", None)} == EMPTY


def _merged_from(own: Kubeconfig, name: str, cluster: Kubeconfig) -> bool:
    known_cluster, known_user, known_context = (_entry(own, section, name) for section in _KINDS)
    ours = known_context is not None and (known_context.get("cluster"), known_context.get("user")) == (name, name)
    return ours and known_user is not None and known_cluster is not None and _same(known_cluster, cluster)


def _foreign(own: Kubeconfig, name: str, *, cluster: Kubeconfig, user: Kubeconfig) -> str | None:
    """Return the first section whose entry ``name`` leads elsewhere, or is a user of who knows what."""
    known_cluster, known_user, known_context = (_entry(own, section, name) for section in _KINDS)
    target = _entry(own, "clusters", (known_context or {}).get("cluster", ""))
    ours = known_cluster is not None and _same(known_cluster, cluster)
    verdicts = {
        "clusters": known_cluster is not None and not ours,
        "users": known_user is not None and known_user != user and not ours,
        "contexts": known_context is not None and not (target and _same(target, cluster)),
    }
    return next((section for section, foreign in verdicts.items() if foreign), None)


def _same(one: Kubeconfig, other: Kubeconfig) -> bool:
    """Tell whether both are one Kubernetes: the same address and, since each machine has its own loopback, authority.

    At any other address a new authority is the same Kubernetes made anew.
    """
    keys = ("certificate-authority-data", "certificate-authority")
    same_authority = all(one.get(key) == other.get(key) for key in keys)
    return one.get("server") == other.get("server") and (same_authority or not _is_loopback(one.get("server") or ""))


def _is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _entry(config: Kubeconfig, section: str, name: str) -> Kubeconfig | None:
    for entry in config.get(section) or []:
        if entry["name"] == name:
            return t.cast(Kubeconfig, entry.get(_KINDS[section]) or {})
    return None


def _with(config: Kubeconfig, section: str, name: str, value: Kubeconfig) -> list[Kubeconfig]:
    """Return the section with the entry in its old place, or at the end."""
    entries = list(config.get(section) or [])
    new = {"name": name, _KINDS[section]: value}
    if all(entry["name"] != name for entry in entries):
        return [*entries, new]
    return [new if entry["name"] == name else entry for entry in entries]
