# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._variables import invalid_values, unknown_variables

SPECS: dict[str, dict[str, dict[str, t.Any]]] = {
    "kubeadm": {"kubeadm_version": {"type": "str", "required": True}, "kubeadm_taint": {"type": "bool"}},
    "vm": {"vm_state": {"type": "str", "choices": ["started", "absent"]}},
}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["kubeadm_version", "vm_state"], [], id="known"),
        pytest.param(["ansible_host", "my_own", "_kubeadm_x"], [], id="of nobody here"),
        pytest.param(
            ["kubeadm_vresion"], ["kubeadm_vresion: unknown variable; did you mean kubeadm_version?"], id="typo"
        ),
        pytest.param(
            ["kubadm_version"], ["kubadm_version: unknown variable; did you mean kubeadm_version?"], id="in the prefix"
        ),
        pytest.param(["vm_qqq"], ["vm_qqq: unknown variable; no role has such a variable"], id="nothing is close"),
    ],
)
def test_unknown_variables(names: list[str], expected: list[str]) -> None:
    assert unknown_variables(names, SPECS) == expected


@pytest.mark.parametrize(
    ("values", "role", "expected"),
    [
        pytest.param({"vm_state": "started", "other": 1}, "vm", [], id="fits"),
        pytest.param({}, "kubeadm", [], id="what is required but not given is the role's own affair"),
        pytest.param(
            {"vm_state": "on"},
            "vm",
            ["value of vm_state must be one of: started, absent, got: on"],
            id="no such choice",
        ),
    ],
)
def test_invalid_values(values: dict[str, t.Any], role: str, expected: list[str]) -> None:
    assert invalid_values(values, SPECS[role]) == expected
