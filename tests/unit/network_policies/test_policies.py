"""The network policies as the role renders them: by the schemas of Kubernetes, and by who reaches whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.role_templates import Document, check_documented, check_rights, check_schemas, render, variable

ROLE = "network_policies"
LISTING = {f"{role}_enabled": True for role in ("object_store", "publisher", "nginx_pool")}
ELSEWHERE = {"worker_namespace": "team-worker", "object_store_namespace": "stores", "nginx_pool_namespace": "pool"}
CHOSEN: dict[str, Any] = {"network_policies_scrapers": {"team": "watch"}, "network_policies_callers": {"team": "a"}}
VARIANTS: dict[str, dict[str, Any]] = {
    "the worker alone": {},
    "the listing": LISTING,
    "namespaces of their own": LISTING | ELSEWHERE,
    "stores of others": LISTING | {"object_store_urls": ["https://s3.example"]},
    "some callers": LISTING | CHOSEN,
    "no default": {"network_policies_default_deny": False},
}
GIVEN: dict[str, Any] = {"_network_policies_subjects": [{"kind": "User", "name": "ada"}]}

Pod = tuple[str, str]  # namespace, app.kubernetes.io/name
OUTSIDE: Pod = ("", "")  # what is no pod


def policies(**variables: Any) -> list[Document]:
    """What is applied."""
    return render(ROLE, "policies", **GIVEN, **variables)


def allowed(
    applied: list[Document], source: Pod, target: Pod, port: int, *, labels: dict[str, str] | None = None
) -> bool:
    """Whether a network that enforces the policies lets `source` connect to a port of `target`, over TCP.

    Every namespace has its name as label, and `labels` besides.
    """
    directions = (("Egress", "to", source, target), ("Ingress", "from", target, source))
    return all(
        _one_way(applied, *direction, port, labels=labels or {}) for direction in directions if direction[2] != OUTSIDE
    )


def _one_way(
    applied: list[Document], kind: str, key: str, pod: Pod, other: Pod, port: int, *, labels: dict[str, str]
) -> bool:
    specs = [
        each["spec"]
        for each in applied
        if each["metadata"]["namespace"] == pod[0] and _selects(each["spec"]["podSelector"], _pod_labels(pod))
    ]
    rules = [rule for spec in specs for rule in spec.get(kind.lower(), [])]
    return not specs or any(
        {"port": port, "protocol": "TCP"} in rule["ports"]
        and (key not in rule or any(_is(peer, other, labels) for peer in rule[key]))
        for rule in rules
    )


def _is(peer: Document, pod: Pod, labels: dict[str, str]) -> bool:
    named = {"kubernetes.io/metadata.name": pod[0], **labels}
    return (
        pod != OUTSIDE
        and _selects(peer["namespaceSelector"], named)
        and _selects(peer.get("podSelector", {}), _pod_labels(pod))
    )


def _pod_labels(pod: Pod) -> dict[str, str]:
    return {"app.kubernetes.io/name": pod[1]}


def _selects(selector: Document, labels: dict[str, str]) -> bool:
    chosen: dict[str, str] = selector.get("matchLabels", {})
    return chosen.items() <= labels.items()


WORKER, DRIVER, STORE = ("slipway", "worker"), ("slipway", "driver"), ("slipway", "object-store")
PUBLISHER, POOL, OTHER = ("slipway", "publisher"), ("slipway", "nginx-pool"), ("slipway", "other")
ELSEWHERES, DNS = ("elsewhere", "app"), ("kube-system", "kube-dns")


@pytest.mark.parametrize("variables", VARIANTS.values(), ids=VARIANTS)
def test_documents_fit_the_schemas(variables: dict[str, Any]) -> None:
    check_schemas(policies(**variables) + render(ROLE, "grants", **GIVEN, **variables))


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        (DRIVER, WORKER, 50051),
        (ELSEWHERES, WORKER, 50051),
        (ELSEWHERES, WORKER, 9090),
        (WORKER, OUTSIDE, 6443),
        (PUBLISHER, OUTSIDE, 6443),
        (PUBLISHER, STORE, 7070),
        (PUBLISHER, DNS, 53),
        (POOL, STORE, 7070),
        (POOL, DNS, 53),
        (DRIVER, DNS, 53),
        (OUTSIDE, POOL, 8080),
        (ELSEWHERES, POOL, 8080),
        (ELSEWHERES, PUBLISHER, 9090),
    ],
)
def test_what_is_needed_is_let_through(source: Pod, target: Pod, port: int) -> None:
    assert allowed(policies(**LISTING), source, target, port)


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        (OUTSIDE, WORKER, 50051),
        (ELSEWHERES, WORKER, 50052),
        (ELSEWHERES, STORE, 7070),
        (WORKER, STORE, 7070),
        (WORKER, OUTSIDE, 80),
        (POOL, OUTSIDE, 6443),
        (POOL, WORKER, 50051),
        (PUBLISHER, OUTSIDE, 80),
        (STORE, DNS, 53),
        (STORE, OUTSIDE, 443),
        (DRIVER, OUTSIDE, 443),
        (OTHER, DNS, 53),
        (OTHER, STORE, 7070),
        (ELSEWHERES, OTHER, 80),
    ],
)
def test_all_else_is_not(source: Pod, target: Pod, port: int) -> None:
    assert not allowed(policies(**LISTING), source, target, port)


def test_components_find_each_other_in_namespaces_of_their_own() -> None:
    applied = policies(**LISTING, **ELSEWHERE)
    assert allowed(applied, ("pool", "nginx-pool"), ("stores", "object-store"), 7070)
    assert allowed(applied, PUBLISHER, ("stores", "object-store"), 7070)
    assert not allowed(applied, POOL, ("stores", "object-store"), 7070)
    denied = {each["metadata"]["namespace"] for each in applied if each["metadata"]["name"] == "slipway-default-deny"}
    assert denied == {"team-worker", "stores", "slipway", "pool", "redis"}


def test_namespaces_are_chosen_by_labels() -> None:
    applied = policies(**CHOSEN)
    assert allowed(applied, ELSEWHERES, WORKER, 50051, labels={"team": "a"})
    assert not allowed(applied, ELSEWHERES, WORKER, 9090, labels={"team": "a"})
    assert allowed(applied, ELSEWHERES, WORKER, 9090, labels={"team": "watch"})
    assert not allowed(applied, ELSEWHERES, WORKER, 50051)


def test_pods_of_clusters_are_let_alone() -> None:
    """Also where they run beside the worker."""
    applied = policies(worker_namespace="team", worker_namespaces=["team"])
    assert allowed(applied, ("team", "a-cluster"), OUTSIDE, 443)
    assert not allowed(applied, ("team", "worker"), OUTSIDE, 80)


@pytest.mark.parametrize(
    ("variables", "ports"),
    [
        ({}, []),
        ({"nginx_pool_targets": ["http://object-store-0.slipway.svc:7070/podlister"]}, []),
        ({"object_store_urls": ["https://s3.example"]}, [443]),
        (
            {"nginx_pool_targets": ["http://s3.example/b", "https://[2001:db8::1]/b", "http://[::1]:9000/b"]},
            [80, 443, 9000],
        ),
        ({"publisher_targets": [{"url": "https://minio.team.svc:9000"}, {"url": "http://a.b:9000"}]}, [9000]),
        (
            {
                "object_store_names": ["a"],
                "nginx_pool_targets": ["http://a.slipway.svc:7070/b", "http://b.slipway.svc:81/b"],
            },
            [81],
        ),
    ],
)
def test_ports_of_stores_of_others(variables: dict[str, Any], ports: list[int]) -> None:
    assert variable(ROLE, "_network_policies_store_ports", **GIVEN, **variables) == ports
    applied = policies(**LISTING, **variables)
    for port in {*ports} - {443}:
        assert allowed(applied, PUBLISHER, OUTSIDE, port)
        assert allowed(applied, POOL, OUTSIDE, port)


def test_each_variable_is_documented() -> None:
    check_documented(ROLE)


def test_rights() -> None:
    check_rights(variable(ROLE, "_network_policies_rules", **GIVEN))
