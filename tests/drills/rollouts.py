"""Healthy roll-outs on the VMs of `make up` while clients that list keep the API server busy: no false alarm."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.support.api_load import api_load
from tests.support.kubernetes import Kubernetes
from tests.support.rollouts import BUSY, ROLL_OUTS, roll_out

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = 200
TITLE = f"Drill rollouts: {ALL} healthy roll-outs, the API server using at least {BUSY:g} of a core meanwhile"


def steps() -> dict[str, Callable[[], str]]:
    """So many steps that all of them make up the whole."""
    return {f"{done} of {ALL}": partial(all_well) for done in range(ROLL_OUTS, ALL + 1, ROLL_OUTS)}


def all_well() -> str:
    """Roll out under load; return how busy the API server was."""
    kubernetes = Kubernetes()
    namespace = kubernetes.new_namespace()
    try:
        with api_load(kubernetes) as load:
            alarms = roll_out(kubernetes, namespace, kubernetes.image("registry.k8s.io/pause"))
            cores = load.cores
    finally:
        kubernetes.kubectl("delete", "namespace", namespace, "--wait=false")
    assert not alarms, "; ".join(alarms)
    assert cores >= BUSY, f"the API server used {cores:.2f} of a core only"
    return f"{ROLL_OUTS} roll-outs, no alarm, API server {cores:.2f} cores"
