# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the module pull_secret's decisions."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._pull_secret import KEY, reference_change, secret

OURS, OTHER = {"name": "ours"}, {"name": "other"}


def test_secret() -> None:
    made = secret(
        "ours", "clusters", registry="https://registry.example:5000/team", username="ci", password="pass:word"
    )
    assert made["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "slipway"}
    assert json.loads(base64.b64decode(made["data"][KEY])) == {
        "auths": {
            "registry.example:5000": {"username": "ci", "password": "pass:word", "auth": "Y2k6cGFzczp3b3Jk"},
        }
    }


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        (None, True, [OURS]),
        ([], True, [OURS]),
        ([OTHER], True, [OTHER, OURS]),
        ([OURS, OTHER], True, None),
        ([OURS, OTHER], False, [OTHER]),
        ([OURS], False, []),
        ([OTHER], False, None),
        (None, False, None),
    ],
)
def test_reference(before: list[dict[str, str]] | None, wanted: bool, after: list[dict[str, str]] | None) -> None:
    account: dict[str, t.Any] = {"metadata": {"name": "default", "resourceVersion": "7"}, "imagePullSecrets": before}
    change = reference_change(account, "ours", wanted=wanted)
    assert change == (None if after is None else {"metadata": {"resourceVersion": "7"}, "imagePullSecrets": after})
