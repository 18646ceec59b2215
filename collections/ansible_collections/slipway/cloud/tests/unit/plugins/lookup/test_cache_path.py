# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the lookup plugin cache_path."""

from __future__ import annotations

import pytest

from ansible_collections.slipway.cloud.plugins.lookup.cache_path import cache_path


@pytest.mark.parametrize(
    ("term", "environ", "expected"),
    [
        ("bundle", {"HOME": "/root"}, "/root/.cache/slipway/bundle"),
        ("bundle/bin", {"HOME": "/root", "XDG_CACHE_HOME": "/data"}, "/data/slipway/bundle/bin"),
        ("bundle", {"HOME": "/root", "XDG_CACHE_HOME": ""}, "/root/.cache/slipway/bundle"),
        ("", {"HOME": "/root"}, "/root/.cache/slipway"),
    ],
)
def test_path(term: str, environ: dict[str, str], expected: str) -> None:
    assert cache_path(term, environ=environ) == expected


@pytest.mark.parametrize("term", ["/etc", "../other", "vms/../../x"])
def test_path_outside_is_refused(term: str) -> None:
    with pytest.raises(ValueError, match="not a path relative to the cache directory"):
        cache_path(term, environ={"HOME": "/root"})
