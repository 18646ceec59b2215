"""The role network_policies against an API server: by an admin, by one who was granted it, and by one who was not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import playbook
from tests.support.role_site import RoleSite, with_only

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.api_server import ApiServer

ROLES = ("network_policies",)
POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
LISTING = ("object_store", "publisher", "nginx_pool")
OF_THE_WORKER = ["driver", "slipway-default-deny", "worker"]
OF_ALL = ["driver", "nginx-pool", "object-store", "publisher", "slipway-default-deny", "worker"]


@pytest.fixture
def site(api: ApiServer, tmp_path: Path) -> RoleSite:
    return RoleSite(api, tmp_path, ROLES)


def components(site: RoleSite, *more: str) -> dict[str, Any]:
    """A site with the worker and these roles, all of them in its namespace."""
    namespaces = {f"{role}_namespace": site.namespace for role in ("worker", *LISTING)}
    return {**namespaces, **with_only(*ROLES, "worker", *more)}


def test_by_an_admin(site: RoleSite) -> None:
    site.install(site.admin, "--diff", **components(site, *LISTING))
    again = site.install(site.admin, "--diff", **components(site, *LISTING))
    assert again.changed == [], again.output
    assert site.names(POLICIES) == OF_ALL

    site.install(site.admin, **components(site))
    assert site.names(POLICIES) == OF_THE_WORKER
    site.install(site.admin, **components(site), network_policies_default_deny=False)
    assert site.names(POLICIES) == ["driver", "worker"]
    site.install(site.admin, **{**components(site), "worker_enabled": False})
    assert site.names(POLICIES) == []


def test_by_one_who_was_granted_no_more_than_needed(site: RoleSite) -> None:
    given = components(site)
    site.grant(**given)
    site.install(site.user, "--check", **given)
    assert site.names(POLICIES) == []
    site.install(site.user, **given)
    assert site.names(POLICIES) == OF_THE_WORKER
    assert site.install(site.user, **given).changed == []
    site.install(site.user, **{**given, "network_policies_enabled": False})
    assert site.names(POLICIES) == []
    site.install(site.user, **given)
    site.remove(site.user, **given)
    assert site.names(POLICIES) == []


def test_who_may_not_is_told_what_is_lacking(site: RoleSite) -> None:
    given = components(site)
    site.play(site.admin, [{"name": "namespaces"}])
    answer = site.play(site.user, [{"name": role} for role in ROLES], **given)
    assert answer.changed == []
    assert "NetworkPolicy worker may not be looked at" in answer.output

    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["get"]}
    bound = {
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "look"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "powerless"}],
    }
    for plural, what in (("roles", {"rules": [rule]}), ("rolebindings", bound)):
        path = f"/apis/{group}/v1/namespaces/{site.namespace}/{plural}"
        site.api.request("POST", path, {"metadata": {"name": "look"}, **what})
    answer = site.play(site.user, [{"name": role} for role in ROLES], **given)
    assert "NetworkPolicy worker does not exist" in answer.output
    site.install(site.admin, **given)
    answer = site.play(site.user, [{"name": role} for role in ROLES], **given)
    assert "NetworkPolicy" not in answer.output


def test_what_others_have_under_such_a_name_is_refused(site: RoleSite) -> None:
    site.play(site.admin, [{"name": "namespaces"}])
    theirs = {"metadata": {"name": "worker"}, "spec": {"podSelector": {}}}
    site.api.request("POST", POLICIES.format(site.namespace), theirs)
    with pytest.raises(AssertionError, match="worker"):
        site.install(site.admin, **components(site))
    assert site.names(POLICIES) == ["worker"]
    site.remove(site.admin, **components(site))
    assert site.names(POLICIES) == ["worker"]


def test_preflight_tells_which_rights_are_lacking(site: RoleSite) -> None:
    """Those for network policies and admission too, which a site can do without."""
    tenants = {"worker_namespaces": [site.namespace], "admission_enabled": True}
    given = {**site.variables(site.user), **components(site), **tenants}
    answer = playbook("site", given, inventory="existing")
    assert answer.code != 0
    assert answer.changed == []
    for resource in ("networkpolicies.networking.k8s.io", "validatingadmissionpolicies.admissionregistration.k8s.io"):
        rows = set(re.findall(rf"create +{resource} .*?(\w+)$", answer.output, re.MULTILINE))
        assert rows == {"no"}, answer.output


def test_bad_input_is_refused_before_anything_is_changed(site: RoleSite) -> None:
    given = {**site.variables(site.admin), "network_policies_api_ports": ["https"]}
    answer = playbook("site", given, inventory="existing")
    assert answer.code != 0
    assert answer.changed == []
    assert "network_policies_api_ports" in answer.output
