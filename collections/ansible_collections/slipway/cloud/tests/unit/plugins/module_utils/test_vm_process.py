# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._vm_process import process_hierarchy


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        pytest.param(
            "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
            "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
            "cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n",
            "/sys/fs/cgroup/systemd",
            id="hybrid",
        ),
        pytest.param("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n", "/sys/fs/cgroup", id="v2"),
    ],
)
def test_process_hierarchy(mounts: str, expected: str) -> None:
    assert process_hierarchy(mounts) == pathlib.Path(expected)
