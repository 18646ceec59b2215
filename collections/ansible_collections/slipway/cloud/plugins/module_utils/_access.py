# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""The module access' decisions: rights in, questions out; answers in, rows of what is not allowed out. Pure."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from .engine.resources import Object

Right = t.Mapping[str, t.Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that a right consists of; an empty namespace asks for all of them, and for what has none."""

    verb: str
    group: str
    resource: str
    namespace: str

    @property
    def title(self) -> str:
        """The resource as kubectl writes it: ``deployments.apps``, ``pods/log``."""
        name, slash, subresource = self.resource.partition("/")
        return f"{name}.{self.group}{slash}{subresource}" if self.group else self.resource

    def review(self) -> Object:
        """Return the question in the API's own words."""
        name, _slash, subresource = self.resource.partition("/")
        attributes = {
            "verb": self.verb,
            "group": self.group,
            "resource": name,
            "subresource": subresource,
            "namespace": self.namespace,
        }
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }


def questions_of(right: Right) -> list[Question]:
    """Return what to ask for a right: each verb of each rule for each resource in each namespace."""
    return [
        Question(verb, group, resource, namespace)
        for rule in right["rules"]
        for namespace, group, resource, verb in itertools.product(
            right["namespaces"], rule["apiGroups"], rule["resources"], rule["verbs"]
        )
    ]


def missing(declared: Object, current: Object | None) -> list[str]:
    """Return what an object lacks of what is declared, a line each."""
    title = f"{declared['kind']} {declared['metadata']['name']}"
    if current is None:
        return [f"{title} does not exist"]
    return [f"{title}: {line}" for line in _differences(declared, current, path="")]


def _differences(declared: t.Any, current: t.Any, *, path: str) -> list[str]:
    if not isinstance(declared, dict) or not isinstance(current, dict):
        return [] if declared == current else [f"{path} is {current!r}, not {declared!r}"]
    return [
        line
        for key, value in declared.items()
        for line in _differences(value, current.get(key), path=f"{path}.{key}" if path else key)
    ]


def rows_of(right: Right, denied: t.Iterable[Question], lacking: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """Return a row for each thing that is not allowed.

    :param lacking: what the objects under the right's C(unless) lack.
    """
    needed = right["needed"] and bool(lacking or not right["unless"])
    return [
        {
            "verb": question.verb,
            "resource": question.title,
            "namespace": question.namespace or None,
            "why": right["why"],
            "needed": needed,
        }
        for question in denied
    ]
