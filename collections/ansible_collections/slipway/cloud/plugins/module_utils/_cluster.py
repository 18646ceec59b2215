# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""The module cluster's decisions: options in, clusters out; results in, return values out. Pure."""

from __future__ import annotations

import typing as t

from ._ansible import refuse, texts
from ._report import row
from .engine.cluster import Cluster, cluster_problems, deployment, duplicates, name_problems, reference
from .engine.resources import INSTANCE, NAME, object_key
from .engine.verdict import State

if t.TYPE_CHECKING:
    from .engine.lifecycle import Result
    from .engine.resources import Object
    from .engine.verdict import Verdict

Item = t.Mapping[str, t.Any]

_STATES = {State.DONE: "available", State.PENDING: "pending", State.FAILED: "failed"}


def items_of(params: Item) -> list[Item]:
    """Return the clusters that the options describe: the single one, or those of C(clusters), completed by the task."""
    if params["clusters"] is None:
        return [params]
    return [
        {key: value if _is_given(value) else params[key] for key, value in item.items()} for item in params["clusters"]
    ]


def _is_given(value: t.Any) -> bool:
    """Whether an item says anything itself: of an option with suboptions the empty ones have been filled in."""
    if isinstance(value, dict):
        return any(each != {} for each in value.values())
    return value is not None


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


def clusters_among(deployments: t.Iterable[Object], *, name: str | None) -> list[Object]:
    """Return those Deployments that are clusters, by name; the one of that name alone, if there is one."""

    def is_cluster(obj: Object) -> bool:
        own, labels = obj["metadata"]["name"], obj["metadata"].get("labels") or {}
        return labels.get(NAME) == labels.get(INSTANCE) == own and name in (None, own)

    return sorted(filter(is_cluster, deployments), key=object_key)


def standing(obj: Object, verdict: Verdict) -> dict[str, t.Any]:
    """Return what a user gets of a cluster that was looked at."""
    namespace, name = object_key(obj)
    spec, meta = obj["spec"], obj["metadata"]
    return {
        "name": name,
        "namespace": namespace,
        "state": _STATES[verdict.state],
        "summary": verdict.summary,
        "cause": verdict.cause.as_dict() if verdict.cause else None,
        "uid": meta["uid"],
        "generation": meta["generation"],
        "replicas": spec["replicas"],
        "available": obj.get("status", {}).get("availableReplicas", 0),
        "image": spec["template"]["spec"]["containers"][0]["image"],
        "node_selector": spec["template"]["spec"].get("nodeSelector", {}),
        "created": meta["creationTimestamp"],
    }


def timeouts_of(items: t.Sequence[Item], *, namespace: str) -> t.Callable[[Object], float | None]:
    """Return what tells the seconds that the Deployment of a cluster may take."""
    timeouts = {(item["namespace"] or namespace, item["name"]): item["wait_timeout"] for item in items}
    return lambda obj: timeouts[object_key(obj)]


def report(results: t.Sequence[Result], *, waited: bool) -> dict[str, t.Any]:
    """Return the module's own return values."""
    clusters = [
        {**row(each, waited=waited), "uid": each.uid, "generation": each.generation, "replicas": each.replicas}
        for each in results
    ]
    return {"clusters": clusters}
