# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of certificates: a row a state of the Secrets, with what is done and why."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from ansible_collections.slipway.cloud.plugins.module_utils._certificates import (
    Data,
    Pair,
    Step,
    Wanted,
    contents,
    described,
    new_authority,
    new_certificate,
    problems_of,
    secret_with,
    settled,
)

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAYS = 90
AUTHORITY = Wanted(secret="ca", common_name="Shop")
SERVER = Wanted(secret="server", common_name="shop", dns_names=("shop.svc", "localhost"), usages=("server",))
CLIENT = Wanted(secret="client", common_name="till", usages=("client",))

Found = dict[str, Data]


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def settle(
    at: float, found: Found, *, days: float = DAYS, authority: Wanted = AUTHORITY, server: Wanted = SERVER
) -> dict[str, Step]:
    return settled(day(at), days, authority, [server, CLIENT], found)


def holding(steps: dict[str, Step]) -> Found:
    return {name: step.data for name, step in steps.items()}


def actions(steps: dict[str, Step]) -> tuple[str, ...]:
    return tuple(step.action for step in steps.values())


@pytest.fixture(scope="module")
def first() -> Found:
    """What the Secrets hold after the first run."""
    steps = settle(0, {})
    assert actions(steps) == ("make", "make", "make")
    return holding(steps)


def certificates(text: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(text.encode())


def trusts(at: float, client: Data, server: Data) -> bool:
    """Whether a client with one Secret accepts the certificate of a server with another."""
    policy = PolicyBuilder().store(Store(certificates(client["ca.crt"]))).time(day(at))
    leaf, *chain = certificates(server["tls.crt"])
    try:
        policy.build_server_verifier(x509.DNSName("shop.svc")).verify(leaf, chain)
    except VerificationError:
        return False
    return True


def test_second_run_changes_nothing(first: Found) -> None:
    steps = settle(1, first)
    assert actions(steps) == ("keep", "keep", "keep")
    assert holding(steps) == first


def test_what_is_made(first: Found) -> None:
    assert {name: sorted(data) for name, data in first.items()} == {
        "ca": ["ca.crt", "ca.key"],
        "server": ["ca.crt", "tls.crt", "tls.key"],
        "client": ["ca.crt", "tls.crt", "tls.key"],
    }
    assert trusts(1, first["client"], first["server"])
    assert not trusts(DAYS + 1, first["client"], first["server"])
    [server] = certificates(first["server"]["tls.crt"])
    assert server.not_valid_after_utc == day(DAYS)
    assert server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    key = server.public_key()
    assert getattr(key, "curve").name == "secp256r1"  # noqa: B009  # of one kind of key


def without(found: Found, *names: str) -> Found:
    return {name: data for name, data in found.items() if name not in names}


def changed(found: Found, name: str, **data: str) -> Found:
    return {**found, name: {**found[name], **{key.replace("_", "."): value for key, value in data.items()}}}


def other() -> Pair:
    return new_authority(START, DAYS, "Other")


ANOTHER = replace(SERVER, dns_names=(*SERVER.dns_names, "new.svc"))
CASES: dict[str, tuple[float, t.Callable[[Found], Found], dict[str, t.Any], tuple[str, str, str], str]] = {
    "authority is lost": (1, lambda f: without(f, "ca"), {}, ("make", "make", "make"), "another authority signed it"),
    "a certificate is lost": (1, lambda f: without(f, "server"), {}, ("keep", "make", "keep"), "there is none"),
    "a key is lost": (
        1,
        lambda f: changed(f, "server", tls_key=""),
        {},
        ("keep", "make", "keep"),
        "its key is missing",
    ),
    "a key is another's": (
        1,
        lambda f: changed(f, "server", tls_key=other().key),
        {},
        ("keep", "make", "keep"),
        "its key",
    ),
    "it is garbage": (
        1,
        lambda f: changed(f, "server", tls_crt="garbage"),
        {},
        ("keep", "make", "keep"),
        "cannot be read",
    ),
    "the authority's key is lost": (
        1,
        lambda f: changed(f, "ca", ca_key=""),
        {},
        ("make", "make", "make"),
        "another auth",
    ),
    "the authority is garbage": (
        1,
        lambda f: changed(f, "ca", ca_crt="?"),
        {},
        ("make", "make", "make"),
        "another auth",
    ),
    "another name": (1, lambda f: f, {"server": ANOTHER}, ("keep", "make", "keep"), "its names are others"),
    "another use": (
        1,
        lambda f: f,
        {"server": replace(SERVER, usages=("client",))},
        ("keep", "make", "keep"),
        "another use",
    ),
    "a shorter life": (1, lambda f: f, {"days": 30}, ("make", "make", "make"), "another authority signed it"),
    "more than a third is left": (59, lambda f: f, {}, ("keep", "keep", "keep"), "it is good"),
    "a third is left": (60, lambda f: f, {}, ("make", "make", "make"), "another authority signed it"),
    "all is over": (DAYS + 1, lambda f: f, {}, ("make", "make", "make"), "another authority signed it"),
}


@pytest.mark.parametrize(("at", "change", "given", "expected", "why"), CASES.values(), ids=CASES)
def test_what_is_made_anew(
    first: Found,
    at: float,
    change: t.Callable[[Found], Found],
    given: dict[str, t.Any],
    expected: tuple[str, str, str],
    why: str,
) -> None:
    steps = settle(at, change(first), **given)
    assert actions(steps) == expected
    assert why in steps["server"].reason
    again = settle(at, holding(steps), **given)
    assert actions(again) == ("keep", "keep", "keep")
    assert holding(again) == holding(steps)


def test_a_certificate_is_renewed_alone_where_its_authority_is_younger(first: Found) -> None:
    middle = holding(settle(60, first))
    short = {**middle, "server": middle["server"] | _leaf(60, middle, days=30)}
    assert actions(settle(79, short)) == ("keep", "keep", "keep")
    assert actions(settle(80, short)) == ("keep", "make", "keep")


def _leaf(at: float, found: Found, *, days: float) -> Data:
    pair = new_certificate(day(at), days, SERVER, found["ca"])
    return {"tls.crt": pair.certificate, "tls.key": pair.key}


def test_old_and_new_accept_each_other(first: Found) -> None:
    """Whoever has read a Secret before or after the renewal, and whoever has not yet."""
    renewed = holding(settle(60, first))
    for client in (first["client"], renewed["client"]):
        for server in (first["server"], renewed["server"]):
            assert trusts(61, client, server)
    stranger = holding(settle(60, {}))
    assert not trusts(61, renewed["client"], stranger["server"])


def test_old_authority_goes_when_it_ends(first: Found) -> None:
    renewed = holding(settle(60, first))
    assert len(certificates(renewed["server"]["ca.crt"])) == 2
    assert len(certificates(renewed["server"]["tls.crt"])) == 2
    later = settle(DAYS + 1, renewed)
    assert actions(later) == ("keep", "keep", "keep")
    assert certificates(later["server"].data["ca.crt"]) == certificates(renewed["ca"]["ca.crt"])[:1]
    assert certificates(later["server"].data["tls.crt"]) == certificates(renewed["server"]["tls.crt"])[:1]
    assert "cross.crt" not in later["ca"].data
    assert later["server"].data["tls.key"] == renewed["server"]["tls.key"]


def test_what_is_given_is_taken(first: Found) -> None:
    given = new_authority(day(0), 1000, "Company")
    wanted = replace(AUTHORITY, given=given)
    taken = settle(1, first, authority=wanted)
    assert actions(taken) == ("take", "make", "make")
    assert trusts(2, first["client"], taken["server"].data)  # those who know only the old one
    assert actions(settle(1, holding(taken), authority=wanted)) == ("keep", "keep", "keep")

    pair = new_certificate(day(0), 1000, SERVER, taken["ca"].data)
    server = replace(SERVER, given=pair)
    steps = settle(400, holding(taken), authority=wanted, server=server)
    assert actions(steps) == ("keep", "take", "make")
    assert steps["server"].data["tls.crt"] == pair.certificate
    again = settle(400, holding(steps), authority=wanted, server=server)
    assert (actions(again), holding(again)) == (("keep", "keep", "keep"), holding(steps))


def test_an_authority_without_key() -> None:
    company = new_authority(day(0), 1000, "Company")
    data = {"ca.crt": company.certificate, "ca.key": company.key}
    pairs = [replace(each, given=new_certificate(day(0), 900, each, data)) for each in (SERVER, CLIENT)]
    authority = replace(AUTHORITY, given=Pair(company.certificate, ""))
    assert problems_of(day(1), authority, pairs) == []
    steps = settled(day(1), DAYS, authority, pairs, {})
    assert actions(steps) == ("take", "take", "take")
    assert "ca.key" not in steps["ca"].data
    assert problems_of(day(1), authority, [SERVER, pairs[1]]) == [
        "server: give its certificate and key: ca has no key to sign by"
    ]


KEY = other().key
BAD_INPUT: list[tuple[Wanted, str]] = [
    (replace(SERVER, given=Pair("garbage", KEY)), "server: what is given as certificate is no PEM of one"),
    (
        replace(SERVER, given=Pair(other().certificate, KEY)),
        "server: the key that is given is not that of the certificate",
    ),
    (replace(SERVER, given=Pair(other().certificate, "garbage")), "server: the key that is given is not that"),
    (replace(SERVER, given=Pair(other().certificate, "")), "server: the key of its certificate is missing"),
    (replace(SERVER, secret="ca"), "ca is the name of more than one Secret"),
]


@pytest.mark.parametrize(("wanted", "message"), BAD_INPUT, ids=[message for _wanted, message in BAD_INPUT])
def test_bad_input(wanted: Wanted, message: str) -> None:
    [problem] = problems_of(day(1), AUTHORITY, [wanted])
    assert problem.startswith(message)
    assert KEY not in problem


def test_given_one_has_ended() -> None:
    ended = new_authority(day(0), 1, "Company")
    [problem] = problems_of(day(2), replace(AUTHORITY, given=ended), [])
    assert problem == "ca: the certificate that is given ended at 2026-01-02T00:00:00Z"


def test_a_secret_and_back(first: Found) -> None:
    current = {"metadata": {"resourceVersion": "7"}}
    secret = secret_with("server", "shop", first["server"], current)
    assert (secret["type"], secret["metadata"]["resourceVersion"]) == ("kubernetes.io/tls", "7")
    assert secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "slipway"}
    assert contents(secret) == first["server"]
    assert contents(None) == {}
    assert "resourceVersion" not in secret_with("ca", "shop", first["ca"], None)["metadata"]


def test_what_may_be_shown(first: Found) -> None:
    shown = described(first["server"])
    assert list(shown) == ["ca.crt", "tls.crt"]
    [leaf] = certificates(first["server"]["tls.crt"])
    assert shown["tls.crt"] == [
        {
            "common_name": "shop",
            "dns_names": ["shop.svc", "localhost"],
            "ends": "2026-04-01T00:00:00Z",
            "sha256": leaf.fingerprint(SHA256()).hex(),
        }
    ]
    assert "PRIVATE" not in repr(shown)
