# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""The module cluster's decisions: options in, clusters out; results in, return values out. Pure."""

from __future__ import annotations

import typing as t

from ._ansible import refuse, texts
from ._report import row, summary
from .engine.cluster import Cluster, cluster_problems, deployment, duplicates, name_problems, reference

if t.TYPE_CHECKING:
    from .engine.lifecycle import Result
    from .engine.resources import Object

Item = t.Mapping[str, t.Any]


def items_of(params: Item) -> list[Item]:
    """Return the clusters that the options describe: the single one, or those of C(clusters), completed by the task."""
    if params["clusters"] is None:
        return [params]
    return [
        {key: params[key] if value in (None, {}) else value for key, value in item.items()}
        for item in params["clusters"]
    ]


def _cluster(item: Item, *, namespace: str, problems: list[str]) -> Cluster:
    def strings(field: str, values: t.Any) -> dict[str, str]:
        return texts(values, what=f"cluster {item['name']!r}: {field}", problems=problems)

    cluster = Cluster(
        name=item["name"],
        namespace=item["namespace"] or namespace,
        image=item["image"] or "",
        image_pull_policy=item["image_pull_policy"],
        replicas=item["replicas"],
        command=item["command"],
        args=item["args"],
        env=strings("env", item["env"]),
        labels=strings("labels", item["labels"]),
        node_selector=strings("node_selector", item["node_selector"]),
        resources={kind: strings(kind, amounts) for kind, amounts in item["resources"].items()},
    )
    problems += cluster_problems(cluster)
    return cluster


def objects_of(items: t.Sequence[Item], *, state: str, namespace: str) -> list[Object]:
    """Return what the engine is to work on: whole Deployments to make present, else references.

    :param namespace: that of the clusters that name none.
    :raises InvalidInputError: for all that is wrong, at once.
    """
    keys = [(item["namespace"] or namespace, item["name"]) for item in items]
    problems = duplicates(keys)
    if state == "present":
        objects = [deployment(_cluster(item, namespace=namespace, problems=problems)) for item in items]
    else:
        problems += [
            line
            for key in keys
            for what, name in zip(("namespace", "name"), key, strict=True)
            for line in name_problems(what, name)
        ]
        objects = [reference(name, where) for where, name in keys]
    refuse(problems)
    return objects


def report(results: t.Sequence[Result], *, waited: bool) -> dict[str, t.Any]:
    """Return the module's return values: changed, diff and clusters."""
    clusters = [
        {**row(each, waited=waited), "uid": each.uid, "generation": each.generation, "replicas": each.replicas}
        for each in results
    ]
    return {**summary(results), "clusters": clusters}
