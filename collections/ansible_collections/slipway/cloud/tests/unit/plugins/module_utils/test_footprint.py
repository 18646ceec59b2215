# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._footprint import (
    Listing,
    Note,
    added_packages,
    deepest_first,
    dispensable,
    leftovers,
    mounts_in,
    unit_files,
)

INSTALL = """\
Inst libnetfilter-conntrack3 (1.0.9-3 Debian:12.11/stable [amd64])
Inst libssl3 [3.0.15-1] (3.0.16-1 Debian:12.11/stable [amd64])
Inst conntrack (1:1.4.7-1+b2 Debian:12.11/stable [amd64])
Conf conntrack (1:1.4.7-1+b2 Debian:12.11/stable [amd64])
"""
AUTOREMOVE = """\
Remv conntrack [1:1.4.7-1+b2]
Remv libfoo1 [1.0] [bar:amd64 ]
"""
MOUNTINFO = """\
22 1 0:21 / / rw - ext4 /dev/sda rw
30 22 0:5 / /var/lib/kubelet rw - ext4 /dev/sdb rw
31 30 0:6 / /var/lib/kubelet/pods/1/volumes/a rw - tmpfs tmpfs rw
32 31 0:7 / /var/lib/kubelet/pods/1/volumes/a/b\\040c rw - tmpfs tmpfs rw
33 22 0:8 / /var/lib/kubelet-of-others rw - tmpfs tmpfs rw
"""


def test_what_is_noted_first_stays() -> None:
    first = Note(files={"/a": True}, directories={"/d": None}, sysctls={"x": "0"}, units={"u": False})
    new = Listing(mode=0o755, names=["new"])
    later = Note(files={"/a": False, "/b": False}, directories={"/d": new}, sysctls={"x": "1"}, units={"u": True})
    both = first.extended(later)
    assert both == Note(
        files={"/a": True, "/b": False}, directories={"/d": None}, sysctls={"x": "0"}, units={"u": False}
    )
    assert Note.load(both.dump()) == both


def test_a_note_of_an_earlier_release() -> None:
    assert Note.load({"files": {"/a": True}}) == Note(files={"/a": True})


def test_unit_files() -> None:
    wanted = "/etc/systemd/system/multi-user.target.wants/a.service"
    assert unit_files("a.service") == ["/etc/systemd/system/a.service", wanted]


@pytest.mark.parametrize(("simulated", "expected"), [("", []), (INSTALL, ["libnetfilter-conntrack3", "conntrack"])])
def test_added_packages(simulated: str, expected: list[str]) -> None:
    assert added_packages(simulated) == expected


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        pytest.param(["conntrack", "iptables"], ["conntrack"], id="another needs iptables now"),
        pytest.param([], [], id="what others left is not ours"),
    ],
)
def test_dispensable(packages: list[str], expected: list[str]) -> None:
    assert dispensable(packages, AUTOREMOVE) == expected


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(None, ["a"], ["/d"], id="there was none"),
        pytest.param(None, [], ["/d"], id="it is empty"),
        pytest.param(None, None, [], id="it never came to be"),
        pytest.param(["a"], None, [], id="somebody removed it"),
        pytest.param([], ["b", "a"], ["/d/a", "/d/b"], id="it was empty"),
        pytest.param(["a", "gone"], ["a", "b"], ["/d/b"], id="it held something"),
    ],
)
def test_leftovers(before: list[str] | None, now: list[str] | None, expected: list[str]) -> None:
    listings = [None if names is None else Listing(mode=0o755, names=names) for names in (before, now)]
    assert leftovers("/d", before=listings[0], now=listings[1]) == expected


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        pytest.param([], [], id="nowhere"),
        pytest.param(
            ["/var/lib/kubelet/pods"],
            ["/var/lib/kubelet/pods/1/volumes/a/b c", "/var/lib/kubelet/pods/1/volumes/a"],
            id="below",
        ),
        pytest.param(["/var/lib/kubelet-of-others"], ["/var/lib/kubelet-of-others"], id="itself"),
    ],
)
def test_mounts_in(paths: list[str], expected: list[str]) -> None:
    assert mounts_in(MOUNTINFO, paths) == expected


def test_deepest_first() -> None:
    assert deepest_first(["/a", "/a/b/c", "/a/b"]) == ["/a/b/c", "/a/b", "/a"]
