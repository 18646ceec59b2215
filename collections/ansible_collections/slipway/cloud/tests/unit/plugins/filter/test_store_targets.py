# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the filter store_targets."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.slipway.cloud.plugins.filter.store_targets import FilterModule

store_targets = FilterModule().filters()["store_targets"]
COMMON = {"bucket": "pages", "region": "eu", "key": "${access_key}", "secret": "${secret_key}"}


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        ("store-1", {"name": "store-1", "url": "http://store-1.team.svc:7070", "privilege": "", "create": True}),
        (
            "https://s3.example:8443/",
            {"name": "s3.example", "url": "https://s3.example:8443", "privilege": "public-read", "create": False},
        ),
    ],
)
def test_target(store: str, expected: dict[str, object]) -> None:
    assert store_targets([store], "team", "pages", "eu") == [{**expected, **COMMON}]


def test_no_host() -> None:
    with pytest.raises(AnsibleFilterError, match="names no host"):
        store_targets(["https://"], "team", "pages", "eu")
