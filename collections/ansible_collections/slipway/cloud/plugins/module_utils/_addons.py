# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Which add-ons a Kubernetes lacks, from what it shows. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .engine.apply import is_ours

if t.TYPE_CHECKING:
    from .engine.resources import Object

Choice = t.Literal["auto", "true", "false"]

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"

# Whose nodes have a load balancer without further ado: the scheme of spec.providerID.
_BALANCED_PROVIDERS = frozenset(
    {"aws", "azure", "gce", "digitalocean", "hcloud", "ibm", "k3s", "linode", "oci", "openstack", "scaleway", "vultr"}
)
BALANCERS = {  # definitions that tell of a load balancer
    "ciliumloadbalancerippools.cilium.io": "Cilium's load balancer",
    "ipaddresspools.metallb.io": "a MetalLB of somebody else",
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a Kubernetes shows; None for what the credentials may not look at. Definitions are those of BALANCERS."""

    storage_classes: t.Sequence[Object] | None
    api_services: t.Sequence[Object] | None
    definitions: t.Sequence[Object] | None
    nodes: t.Sequence[Object] | None
    admin: bool
    """Whether the credentials may do everything, as an add-on's own rights need."""


@dataclass(frozen=True, kw_only=True)
class AddOn:
    """What becomes of one add-on, and why; ``there`` if Slipway has installed it."""

    name: str
    wanted: bool
    there: bool
    reason: str

    def as_dict(self, *, admin: bool) -> dict[str, t.Any]:
        """Return it as plain data; ``missing`` is what is lacking and may not be installed."""
        install, missing = self.wanted and admin, self.wanted and not admin and not self.there
        return {"name": self.name, "install": install, "missing": missing, "reason": self.reason}


def plan(
    found: Found, *, storage: Choice, load_balancer: Choice, metrics: Choice, pool: t.Sequence[str]
) -> list[AddOn]:
    """Decide what is to be installed."""
    return [
        _decided("local-path", storage, found.storage_classes, _default_class, option="addons_storage"),
        _balancer(found, load_balancer, pool),
        _decided("metrics-server", metrics, found.api_services, _metrics, option="addons_metrics"),
    ]


def default_class(found: Found) -> str:
    """Return the name of the default StorageClass that somebody else made; empty if there is none."""
    classes = [each for each in found.storage_classes or () if _default_class(each) and not is_ours(each)]
    return str(classes[0]["metadata"]["name"]) if classes else ""


def announced_by_excluded(found: Found) -> bool:
    """Whether addresses have to be announced by nodes that are not meant for it, for there is no other."""
    nodes = found.nodes or []
    return bool(nodes) and all(EXCLUDED in (node["metadata"].get("labels") or {}) for node in nodes)


def _default_class(storage_class: Object) -> str:
    name, notes = storage_class["metadata"]["name"], storage_class["metadata"].get("annotations") or {}
    return f"the default StorageClass is {name}" if notes.get(DEFAULT_CLASS) == "true" else ""


def _metrics(service: Object) -> str:
    name = service["metadata"]["name"]
    return f"{name} is served" if name.endswith(".metrics.k8s.io") and name.count(".") == 3 else ""


def _balancer(found: Found, choice: Choice, pool: t.Sequence[str]) -> AddOn:
    def known(definition: Object) -> str:
        what = BALANCERS.get(definition["metadata"]["name"])
        return f"there is {what}" if what else ""

    providers = {str(node["spec"].get("providerID", "")).partition(":")[0] for node in found.nodes or ()}
    provider = next(iter(sorted(providers & _BALANCED_PROVIDERS)), "")
    if choice == "auto" and provider:
        return AddOn(name="metallb", wanted=False, there=False, reason=f"nodes of {provider} have a load balancer")
    if choice == "auto" and not pool:
        return AddOn(name="metallb", wanted=False, there=False, reason="addons_address_pool names no address")
    return _decided("metallb", choice, found.definitions, known, option="addons_load_balancer")


def _decided(
    name: str,
    choice: Choice,
    objects: t.Sequence[Object] | None,
    serves: t.Callable[[Object], str],
    *,
    option: str,
) -> AddOn:
    """Decide about one add-on: ``serves`` says of an object how it makes the add-on unnecessary, or is it."""
    serving = [(each, serves(each)) for each in objects or () if serves(each)]
    there = any(is_ours(each) for each, _reason in serving)
    others = [reason for each, reason in serving if not is_ours(each)]
    if choice != "auto":
        return AddOn(name=name, wanted=choice == "true", there=there, reason=f"{option} is {choice}")
    if objects is None:
        reason = "cannot be looked at with these credentials, so it is taken to be there"
        return AddOn(name=name, wanted=False, there=False, reason=reason)
    if others:
        return AddOn(name=name, wanted=False, there=there, reason=others[0])
    return AddOn(name=name, wanted=True, there=there, reason="installed by Slipway" if there else "lacking")


def problems(add_ons: t.Sequence[AddOn], *, admin: bool, pool: t.Sequence[str]) -> list[str]:
    """Return why the plan cannot be carried out."""
    missing = [each.name for each in add_ons if each.as_dict(admin=admin)["missing"]]
    wanted = {each.name for each in add_ons if each.wanted}
    found = []
    if "metallb" in wanted and not pool:
        found.append("addons_load_balancer is true, but addons_address_pool names no address that it may give")
    if missing:
        found.append(
            f"this Kubernetes lacks {', '.join(missing)}, and these credentials may not install it: ask an admin to "
            "run playbooks/admin.yml once, or set addons_storage, addons_load_balancer or addons_metrics to false"
        )
    return found
