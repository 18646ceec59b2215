# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import sys
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._signing import (
    SEAL_SPEC,
    Archive,
    Seal,
    Signed,
    SigningError,
    archives_of,
    difference,
    fingerprint,
    parse,
    render,
    seal_of,
    signature_path,
    verify,
    wanted,
)

if t.TYPE_CHECKING:
    import pathlib

# As cosign 3.1.3 made them.
MANIFEST = '{"a":1}\n'
KEY = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEzpUq9pz9SSOn8EOQoqaI0zoNDlN3
S6WLCfvq55E2h/XdhwGDFpBqB/NDRMmyhqaUO62apozGm83HWPobxIJO0A==
-----END PUBLIC KEY-----
"""
SIGNER = "9yjJlwtYxawevMvqMKRtPlTPAyF3VB2Aa0PadKDf68Q="
OTHER_KEY = KEY.replace("MFkw", "MFkx")
SIGNATURE = json.dumps(
    {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": SIGNER}},
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": "40ZDICGwQXlRjZYU81YMzXE1Sk7hAd3LiT1pWanWMBw="},
            "signature": "MEUCIGFRuFGPbhixwO0kejgARWXxe5xBiAyKyO6kwfa8MIaC",
        },
    }
)


def row(file: str, sha256: str = "a") -> Archive:
    return Archive(file=file, sha256=sha256 * 64, digest=f"sha256:{sha256 * 64}")


def test_list_is_the_same_for_the_same_images() -> None:
    images = {"a.test/app:v1": row("app.tar"), "b.test/app:v1": row("other.tar", "b")}
    assert render(images) == render(dict(reversed(images.items())))
    assert parse(render(images)) == images


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"images": []}', '{"images": {"a": {}}}', '{"images": {"a": 1}}']
)
def test_what_is_no_list(text: str) -> None:
    with pytest.raises(SigningError, match=r"cannot be read .*Run site\.yml"):
        parse(text)


def test_rows_of_built_images() -> None:
    built = {"name": "a.test/app:v1", "archive": "app.tar", "sha256": "a" * 64, "digest": f"sha256:{'a' * 64}"}
    assert archives_of({"a.test/app:v1": built}) == {"a.test/app:v1": row("app.tar")}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (KEY, SIGNER),
        ("", ""),
        ("junk", ""),
        ("-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n", ""),
        ("-----BEGIN CERTIFICATE-----\nMFkw\n-----END CERTIFICATE-----\n", ""),
    ],
)
def test_fingerprint(key: str, expected: str) -> None:
    assert fingerprint(key) == expected


@pytest.mark.parametrize(
    ("signed", "message"),
    [
        pytest.param(Signed(MANIFEST, "", KEY), "has no signature.", id="none"),
        pytest.param(Signed(MANIFEST, "{", KEY), "The signature .* was changed: it cannot be read.", id="damaged"),
        pytest.param(Signed(MANIFEST, "[]", KEY), "was changed: it cannot be read.", id="other JSON"),
        pytest.param(Signed("{}", SIGNATURE, KEY), "list .* was changed: its sha256 is 44136f.* e3464320", id="list"),
        pytest.param(
            Signed(MANIFEST, SIGNATURE, OTHER_KEY), re.escape(f"was signed by the key {SIGNER}, not by "), id="key"
        ),
        pytest.param(Signed(MANIFEST, SIGNATURE, KEY), "The signature .* was changed.", id="signature"),
    ],
)
def test_what_differs(signed: Signed, message: str) -> None:
    assert re.search(message, difference(signed))


def test_rows_stay_as_long_as_their_archives(tmp_path: pathlib.Path) -> None:
    former = {"a.test/app:old": row("old.tar"), "a.test/app:gone": row("gone.tar"), "a.test/app:v1": row("app.tar")}
    (tmp_path / "old.tar").touch()
    new = {"a.test/app:v1": row("app.tar", "b")}
    path = tmp_path / "images.json"
    assert parse(wanted(new, Signed(render(former), "", ""), path)) == {"a.test/app:old": row("old.tar"), **new}
    assert parse(wanted(new, Signed("", "", ""), path)) == new


def test_signature_is_beside_the_list(tmp_path: pathlib.Path) -> None:
    assert signature_path(tmp_path / "images.json") == tmp_path / "images.sigstore.json"


@pytest.mark.parametrize(
    ("signed", "check_mode", "sealed"),
    [
        (None, False, False),
        (Signed("", "", ""), False, True),
        (Signed("", "", ""), True, False),
        (Signed(MANIFEST, "", ""), True, True),
    ],
    ids=["by hand", "no list", "no list yet", "a list"],
)
def test_only_check_mode_goes_without_a_list(signed: Signed | None, check_mode: bool, sealed: bool) -> None:
    options = {name: option.get("default") for name, option in SEAL_SPEC.items()}
    options |= {"signed": signed and vars(signed), "cosign": sys.executable}
    seal = seal_of(options, check_mode=check_mode)
    assert (seal is not None) == sealed
    assert seal is None or seal.signed == signed


@pytest.mark.parametrize("check_mode", [True, False])
def test_in_check_mode_cosign_may_be_yet_to_come(check_mode: bool) -> None:
    options = {name: option.get("default") for name, option in SEAL_SPEC.items()}
    options |= {"signed": vars(Signed(MANIFEST, SIGNATURE, KEY)), "cosign": "/missing/cosign"}
    assert (seal_of(options, check_mode=check_mode) is None) == check_mode


@pytest.mark.parametrize(
    ("signed", "trusted", "message"),
    [
        (Signed("", "", ""), "", r"There is no list of image archives. Run site\.yml"),
        (Signed(MANIFEST, "", KEY), "", r"has no signature. Run site\.yml"),
        (
            Signed(MANIFEST, SIGNATURE, OTHER_KEY),
            KEY,
            f"but this node trusts {re.escape(SIGNER)} .*images_trust_new_key=true",
        ),
        (Signed(MANIFEST, SIGNATURE, ""), KEY, r"comes with the key \(none\), but this node trusts"),
        (Signed(MANIFEST, SIGNATURE, KEY), "junk", r"but this node trusts \(none\)"),
        (Signed(MANIFEST, SIGNATURE, KEY), KEY, r"/nonexistent/cosign cannot be run .*: run site\.yml"),
    ],
    ids=["no list", "no signature", "another key", "no key", "damaged key", "no cosign"],
)
def test_refused_without_asking_cosign(tmp_path: pathlib.Path, signed: Signed, trusted: str, message: str) -> None:
    path = tmp_path / "images.pub"
    if trusted:
        path.write_text(trusted)
    with pytest.raises(SigningError, match=message):
        verify(Seal(signed, trusted=path, cosign="/nonexistent/cosign"))
    assert (path.read_text() if path.exists() else "") == trusted
