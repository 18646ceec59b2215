# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._rootfs import (
    Recipe,
    Source,
    parse_deb822,
    parse_one_line,
    transport_options,
)

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
RECIPE = Recipe(
    suite="bookworm",
    sources=("deb http://mirror.example/debian bookworm main",),
    packages=("curl", "dbus"),
    variant="minbase",
    format="tar",
    path_exclude=("/usr/share/man/*",),
    epoch=0,
)


def test_one_line_style() -> None:
    text = """\
# deb http://commented.example/ bookworm main
deb http://ubuntu.example/ubuntu noble main universe # the usual
  deb [arch=amd64 signed-by=/k.gpg] https://vendor.example/apt noble stable
deb-src http://ubuntu.example/ubuntu noble main
deb http://flat.example/ ./
"""
    assert parse_one_line(text) == [
        Source("http://ubuntu.example/ubuntu", "noble", ("main", "universe")),
        Source("https://vendor.example/apt", "noble", ("stable",), "/k.gpg"),
        Source("http://flat.example/", "./", ()),
    ]


def test_deb822_style() -> None:
    text = f"""\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: {DEBIAN_KEYRING}

Enabled: no
Types: deb
URIs: http://off.example
Suites: bookworm
Components: main
"""
    assert parse_deb822(text) == [
        Source("http://mirror.example/debian", "bookworm", ("main",), DEBIAN_KEYRING),
        Source("http://mirror.example/debian", "bookworm-updates", ("main",), DEBIAN_KEYRING),
    ]


@pytest.mark.parametrize(
    ("suite", "components", "signed_by", "expected"),
    [
        pytest.param("bookworm", ("main",), DEBIAN_KEYRING, True, id="the suite"),
        pytest.param("bookworm-security", ("main", "non-free-firmware"), "", True, id="its security fixes, no keyring"),
        pytest.param("bookworm-backports", ("main",), DEBIAN_KEYRING, False, id="backports"),
        pytest.param("trixie", ("main",), DEBIAN_KEYRING, False, id="another suite"),
        pytest.param("bookworm", ("stable",), "", False, id="a vendor's component"),
        pytest.param("bookworm", ("main",), "/usr/share/keyrings/vendor.gpg", False, id="a vendor's keyring"),
        pytest.param("bookworm", (), "", False, id="flat"),
    ],
)
def test_the_distributions_own_sources(suite: str, components: tuple[str, ...], signed_by: str, expected: bool) -> None:
    assert Source("http://example.org", suite, components, signed_by).belongs_to("bookworm") is expected


def test_transport_options() -> None:
    dump = """\
Acquire "";
Acquire::http::Proxy "http://proxy:3128";
Acquire::https::CAInfo "/etc/ca.pem";
Acquire::Check-Date "false";
Acquire::Languages "none";
Acquire::http "";
APT::Install-Recommends "1";
"""
    assert transport_options(dump) == [
        'Acquire::http::Proxy "http://proxy:3128";',
        'Acquire::https::CAInfo "/etc/ca.pem";',
        'Acquire::Check-Date "false";',
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "trixie"},
        {"sources": ("deb http://other.example/debian bookworm main",)},
        {"packages": ("curl",)},
        {"variant": "apt"},
        {"format": "directory"},
        {"path_exclude": ()},
        {"epoch": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_input_decides_the_digest(change: dict[str, t.Any]) -> None:
    assert dataclasses.replace(RECIPE, **change).digest != RECIPE.digest


def test_the_command() -> None:
    command = RECIPE.command("mmdebstrap", "/out.tar", ['Acquire::http::Proxy "http://p";'])
    assert command[-3:] == ["bookworm", "/out.tar", *RECIPE.sources]
    assert "--include=curl,dbus" in command
    assert '--aptopt=Acquire::http::Proxy "http://p";' in command


def test_no_packages_no_include() -> None:
    command = dataclasses.replace(RECIPE, packages=()).command("mmdebstrap", "/out.tar", [])
    assert not [argument for argument in command if argument.startswith("--include")]
