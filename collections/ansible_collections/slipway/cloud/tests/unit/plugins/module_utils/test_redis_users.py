# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of who the users of Redis are, and of how their passwords change."""

from __future__ import annotations

import hashlib
import itertools
import typing as t

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._redis_users import (
    INTERNAL,
    PHASES,
    Held,
    Phase,
    Wanted,
    problems_of,
    settled,
    weaknesses,
)

STRONG = 'it\'s "open" sesame'
NOTHING = Held({}, {}, {})


def maker() -> t.Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"made-up-{next(numbers)}"


def taken(held: Held, phase: Phase, given: str = "", make: t.Callable[[], str] | None = None) -> Wanted:
    return settled(held, user="app", given=given, phase=phase, make=make or maker())


def after(wanted: Wanted) -> Held:
    return Held(wanted.app, wanted.internal, wanted.rotation or {})


def accepted(wanted: Wanted, user: str, file: str = "users.acl") -> set[str]:
    """The hashes by which a user is let in."""
    [line] = [each for each in wanted.internal[file].splitlines() if each.startswith(f"user {user} ")]
    return {word[1:] for word in line.split() if word.startswith("#")}


def hashed(*passwords: str) -> set[str]:
    return {hashlib.sha256(each.encode()).hexdigest() for each in passwords}


def test_what_is_there_stays() -> None:
    first = taken(NOTHING, "keep", STRONG)
    assert first.app == {"username": "app", "password": STRONG}
    assert {*INTERNAL, "users.acl", "sentinel.acl", "version"} == first.internal.keys()
    assert first.rotation is None
    assert taken(after(first), "keep") == first
    assert taken(after(first), "keep", STRONG) == first


def test_no_password_is_in_an_acl() -> None:
    wanted = taken(NOTHING, "keep", STRONG)
    passwords = [wanted.app["password"], *(wanted.internal[name] for name in INTERNAL)]
    for file in ("users.acl", "sentinel.acl"):
        lines = wanted.internal[file].splitlines()
        assert lines[0] == "user default off resetpass ~* &* +@all"  # or transactions are lost at a start
        assert not [each for each in passwords if each in wanted.internal[file]]
        assert not [line for line in lines if ">" in line or "nopass" in line]


def test_those_who_give_a_password_alone() -> None:
    wanted = settled(NOTHING, user="default", given=STRONG, phase="keep", make=maker())
    for file in ("users.acl", "sentinel.acl"):
        assert accepted(wanted, "default", file) == hashed(STRONG)
        assert " off" not in wanted.internal[file]


def test_a_rotation() -> None:
    make = maker()
    before = taken(NOTHING, "keep", make=make)
    old, seen = before.app["password"], [before]
    for phase in PHASES[1:]:
        seen.append(taken(after(seen[-1]), phase, make=make))
    begun, replicated, switched, finished = seen[1:]
    assert begun.rotation is not None
    new = begun.rotation["new.app"]
    assert [each.app["password"] for each in seen] == [old, old, old, new, new]
    assert [accepted(each, "app") for each in seen] == [
        hashed(old),
        hashed(old, new),
        hashed(old, new),
        hashed(old, new),
        hashed(new),
    ]
    for name in INTERNAL:
        changed = [before.internal[name] != each.internal[name] for each in seen]
        assert changed == [False, False, True, True, True]
        for each in seen:
            assert hashed(each.internal[name]) <= accepted(each, name)
    assert [each.rotation is None for each in seen] == [True, False, False, False, True]
    assert before.version != begun.version != replicated.version
    assert replicated.version == switched.version != finished.version
    assert set(finished.app.values()).isdisjoint({old})


@pytest.mark.parametrize("broken_off", PHASES[1:4])
def test_a_rotation_that_was_interrupted_is_gone_on_with(broken_off: Phase) -> None:
    make = maker()
    held = after(taken(NOTHING, "keep", make=make))
    old = held.app["password"]
    for phase in PHASES[1:]:
        held = after(taken(held, phase, make=make))
        if phase == broken_off:
            break
    new = held.rotation["new.app"]
    assert taken(held, "keep", make=make).rotation == held.rotation  # site.yml meanwhile changes nothing
    assert after(taken(held, "keep", make=make)) == held
    for phase in PHASES[1:]:
        wanted = taken(held, phase, make=make)
        assert accepted(wanted, "app") == (hashed(new) if phase == "finish" else hashed(old, new))
        held = after(wanted)
    assert held.app["password"] == new


def test_a_password_that_is_there_already_begins_nothing() -> None:
    held = after(taken(NOTHING, "keep", STRONG))
    for phase in PHASES:
        assert after(taken(held, phase, STRONG if phase == "begin" else "")) == held


@pytest.mark.parametrize(
    ("password", "said"),
    [
        (STRONG, ""),
        ("x" * 40, "different"),
        ("Ab1$", "less than 12"),
        ("the shopkeeper's", "the name of its user"),
        (" with a space before", "space"),
        ("two\nlines of text", "line break"),
    ],
)
def test_weaknesses(password: str, said: str) -> None:
    found = weaknesses(password, "shop")
    assert said in " ".join(found)
    assert bool(found) == bool(said)


RUNNING = after(taken(NOTHING, "keep", STRONG))


@pytest.mark.parametrize(
    ("user", "given", "held", "phase", "said"),
    [
        ("app", STRONG, NOTHING, "keep", ""),
        ("app", STRONG, RUNNING, "keep", ""),
        ("app", "another password", RUNNING, "keep", "rotate_redis_password.yml"),
        ("app", "another password", RUNNING, "begin", ""),
        ("app", "", NOTHING, "begin", "no Redis"),
        ("app", "short", NOTHING, "keep", "less than 12"),
        ("agent", "", NOTHING, "keep", "which Redis itself uses"),
        ("a b", "", NOTHING, "keep", "lower case letter"),
        ("app", "", Held({"password": ""}, {}, {}), "keep", "empty password"),
        ("app", "a third password", after(taken(RUNNING, "begin")), "begin", "another rotation goes on"),
    ],
)
def test_problems(user: str, given: str, held: Held, phase: Phase, said: str) -> None:
    found = problems_of(user, given, held, phase)
    assert said in " ".join(found)
    assert bool(found) == bool(said)
    assert not given or given not in " ".join(found)
