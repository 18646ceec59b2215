"""The tables of what a data node decides. Of three nodes a, b and c, a decides unless a row says otherwise."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any

import pytest
from slipway_redis.decide import (
    cut_off,
    decide,
    deposed_by,
    may_ask_for_another,
    may_be_promoted,
    may_write,
    named,
    recorded,
    rival,
    vote,
)
from slipway_redis.model import (
    Blocked,
    Cluster,
    Copy,
    Decision,
    Evidence,
    Follow,
    Lead,
    Live,
    Named,
    Node,
    Phase,
    Role,
    State,
    Voice,
    Wait,
    Yield,
)

M, R = Role.MASTER, Role.REPLICA


def nodes(names: str) -> tuple[Node, ...]:
    return tuple(Node(name=name, ip=f"10.0.0.{ord(name)}", port=6379) for name in names)


CLUSTER = Cluster(data=nodes("abc"), sentinels=nodes("xyz"), master_name="m", quorum=2)
EMPTY = Copy()


def state(
    epoch: int = 3, life: int = 0, role: Role = R, offset: int = 100, replid: str = "r", dbsize: int = 9
) -> State:
    return State(epoch=epoch, life=life, role=role, replid=replid, offset=offset, dbsize=dbsize, durable=True, at=0.0)


def copy(*arguments: Any, durable: bool = True, **fields: Any) -> Copy:
    """A copy on a disk; its agent decides."""
    return Copy(state=replace(state(*arguments), durable=durable), **fields)


def master(epoch: int = 3, life: int = 0, offset: int = 100, **fields: Any) -> Copy:
    """A copy whose Redis runs as master."""
    return copy(epoch, life, M, offset, live=Live(role=M, replid="r", offset=offset), phase=Phase.RUNNING, **fields)


def replica(of: str, epoch: int = 3, life: int = 0, offset: int = 100, *, up: bool = True, **fields: Any) -> Copy:
    """A copy whose Redis runs as a replica."""
    live = Live(role=R, master=of, link_up=up, replid="r", offset=offset)
    return copy(epoch, life, R, offset, live=live, phase=Phase.RUNNING, **fields)


def say(name: str = "a", epoch: int = 3, *, of: str = "xyz", **fields: Any) -> dict[str, Voice]:
    """Sentinels that name a master."""
    return {each: Voice(master=name, epoch=epoch, **fields) for each in of}


def votes(name: str, **copies: Copy) -> dict[str, Copy]:
    """Copies whose agents all want the same master."""
    return {each: replace(found, vote=name) for each, found in copies.items()}


BLANK = {each: Voice() for each in "xyz"}


def evidence(copies: dict[str, Copy], voices: dict[str, Voice] | None = None, **fields: Any) -> Evidence:
    return Evidence(me="a", cluster=CLUSTER, copies=copies, voices=voices or {}, **fields)


DECISIONS: dict[str, tuple[Evidence, Decision]] = {
    # The Sentinels name another node: follow it, whatever else there is.
    "another": (evidence({"a": copy()}, say("b")), Follow("b")),
    "another, and this copy is empty": (evidence({"a": EMPTY}, say("b")), Follow("b")),
    "another, by two of three": (evidence({"a": copy()}, say("b", of="xy")), Follow("b")),
    "another, although a third one runs as master": (evidence({"a": copy(), "c": master()}, say("b")), Follow("b")),
    "another, while a failover is under way": (evidence({"a": copy()}, say("b", switching=True)), Follow("b")),
    "another, by one alone": (evidence({"a": copy()}, say("b", of="x")), Wait()),
    "another, at an epoch behind this copy's": (evidence({"a": copy(4)}, say("b")), Wait()),
    "another, but one Sentinel knows of a later epoch": (
        evidence({"a": copy()}, say("b", of="xy") | say("c", 4, of="z")),
        Wait(),
    ),
    "a stranger": (evidence({"a": copy()}, say("10.9.9.9:6379")), Wait()),
    # They name this one, which was the master of that epoch.
    "it was master": (evidence({"a": copy(3, 0, M)}, say()), Lead(3)),
    "it was master, and replicas run on": (
        evidence({"a": copy(3, 0, M), "b": replica("a", offset=120), "c": replica("a", offset=130)}, say()),
        Lead(3),
    ),
    "its disk may lack something, and a replica has run on": (
        evidence({"a": copy(3, 0, M, durable=False), "b": replica("a", offset=100)}, say()),
        Yield(),
    ),
    "its disk may lack something, and a replica that has run on is behind": (
        evidence({"a": copy(3, 0, M, durable=False), "b": replica("a", offset=90)}, say()),
        Lead(3),
    ),
    "its disk may lack something, and nobody has run on": (
        evidence({"a": copy(3, 0, M, durable=False), "b": copy(3, 0, R, 120, durable=False)}, say()),
        Lead(3),
    ),
    "a failover is under way": (evidence({"a": copy(3, 0, M)}, say(switching=True)), Wait()),
    # They name this one, which has not what others have.
    "its disk is empty": (evidence({"a": EMPTY, "b": replica("a")}, say()), Yield()),
    "its disk is empty, and others do not run": (evidence({"a": EMPTY, "b": copy()}, say()), Yield()),
    "its disk is empty, and so are others": (evidence({"a": EMPTY, "b": EMPTY, "c": EMPTY}, say()), Wait()),
    "its disk is empty, and nobody answers": (evidence({"a": EMPTY}, say()), Wait()),
    "its copy is of an earlier epoch": (evidence({"a": copy(2, 0, M), "b": replica("a", 3)}, say()), Yield()),
    "its copy is of an earlier life": (evidence({"a": copy(3, 0, M), "b": replica("a", 3, 1)}, say()), Yield()),
    # They name this one, which has stopped before it could write that it was promoted.
    "just promoted": (evidence({"a": copy(2), "b": copy(2, 0, M, 150)}, say()), Lead(3)),
    "just promoted, and nobody else answers": (evidence({"a": copy(2)}, say()), Wait()),
    "just promoted, and one that is empty": (evidence({"a": copy(2), "b": EMPTY}, say()), Wait()),
    # No majority names anybody, but a master runs.
    "a master runs": (evidence({"a": copy(), "b": master()}), Follow("b")),
    "a master runs, behind this copy": (evidence({"a": copy(4), "b": master()}), Wait()),
    "a master runs, of an earlier life": (evidence({"a": copy(3, 1), "b": master()}), Wait()),
    "a master runs, behind another copy": (evidence({"a": copy(), "b": master(), "c": copy(3, 1)}), Wait()),
    "two masters run": (evidence({"a": copy(2), "b": master(), "c": master()}), Wait()),
    "a master of a new set runs": (evidence({"a": EMPTY, "b": master(0)}, BLANK), Follow("b")),
    # No majority remembers anything: all together.
    "all find it the best": (evidence(votes("a", a=copy(3, 0, M), b=copy(), c=copy()), BLANK), Lead(3)),
    "all find it the best, but the Sentinels may come": (
        evidence(votes("a", a=copy(3, 0, M), b=copy(), c=copy()), waited=5),
        Wait(),
    ),
    "all find it the best, and the Sentinels do not come": (
        evidence(votes("a", a=copy(3, 0, M), b=copy(), c=copy()), waited=31),
        Lead(3),
    ),
    "all find it the best, but a Sentinel knows of a later epoch": (
        evidence(votes("a", a=copy(3, 0, M), b=copy(), c=copy()), BLANK | say("b", 4, of="z")),
        Wait(),
    ),
    "all find another the best": (evidence(votes("b", a=copy(), b=copy(4), c=copy()), BLANK), Wait()),
    "not all have said so": (
        evidence(votes("a", a=copy(3, 0, M), b=copy()) | {"c": copy(vote="c")}, BLANK),
        Wait(),
    ),
    "one copy does not answer": (evidence(votes("a", a=copy(3, 0, M), b=copy()), BLANK), Wait()),
    "all find it the best, but a master runs": (
        evidence(votes("a", a=copy(3, 0, M), b=master(3, 1), c=copy()), BLANK),
        Follow("b"),
    ),
    # A new set.
    "new": (evidence({"a": EMPTY, "b": EMPTY, "c": EMPTY}, bootstrap=True), Lead(0)),
    "new, with Sentinels that wait": (evidence({"a": EMPTY, "b": EMPTY, "c": EMPTY}, BLANK, bootstrap=True), Lead(0)),
    "new, but not said to be": (evidence({"a": EMPTY, "b": EMPTY, "c": EMPTY}), Wait()),
    "new, but not all answer": (evidence({"a": EMPTY, "b": EMPTY}, bootstrap=True), Wait()),
    "new, but one has data": (evidence({"a": EMPTY, "b": EMPTY, "c": copy()}, bootstrap=True), Wait()),
    "new, but a Sentinel remembers": (
        evidence({"a": EMPTY, "b": EMPTY, "c": EMPTY}, say(of="x"), bootstrap=True),
        Wait(),
    ),
    # Somebody has said who it is to be.
    "forced": (evidence({"a": copy()}, force="a"), Lead(3)),
    "forced, at the last epoch that anybody knows": (evidence({"a": copy(2)}, say("b", 5, of="x"), force="a"), Lead(5)),
    "forced, with an empty disk": (evidence({"a": EMPTY, "b": EMPTY}, say(), force="a"), Lead(3)),
    "forced, but the Sentinels name another": (evidence({"a": copy()}, say("b"), force="a"), Follow("b")),
    "forced, but a master runs": (evidence({"a": copy(4), "b": master()}, force="a"), Wait()),
    "another is forced": (evidence({"a": copy()}, force="b"), Wait()),
    # In the end somebody has to say.
    "nobody answers": (evidence({"a": copy()}, waited=120), Blocked()),
    "all copies are lost": (evidence({"a": EMPTY, "b": EMPTY, "c": EMPTY}, say(), waited=120), Blocked()),
}


@pytest.mark.parametrize("row", DECISIONS)
def test_decide(row: str) -> None:
    given, expected = DECISIONS[row]
    found = decide(given)
    assert found == expected, found.why
    assert bool(found.why)


REMEDIES: dict[str, tuple[Evidence, str]] = {
    "the best copy": (
        evidence({"a": copy(), "b": copy(4)}, waited=120),
        (
            "nobody can say who is master; if its copy is good enough and c is lost for good, run "
            "playbooks/force_redis_master.yml -e force_master=b"
        ),
    ),
    "no copy": (
        evidence({"a": EMPTY}, say(), waited=120),
        (
            "this copy is empty, and so is every other that answers; no copy that answers has any data: to begin "
            "with nothing, and perhaps restore a backup, run playbooks/force_redis_master.yml -e force_master=a"
        ),
    ),
}


@pytest.mark.parametrize("row", REMEDIES)
def test_who_is_blocked_says_the_override(row: str) -> None:
    given, expected = REMEDIES[row]
    found = decide(given)
    assert isinstance(found, Blocked)
    assert found.why == expected


NAMED: dict[str, tuple[dict[str, Voice], Named | None]] = {
    "all": (say(), Named(master="a", epoch=3)),
    "two": (say(of="xy"), Named(master="a", epoch=3)),
    "one": (say(of="x"), None),
    "one, two remember nothing": (say(of="x") | {"y": Voice(), "z": Voice()}, None),
    "two, one is behind": (say(of="xy") | say("b", 2, of="z"), Named(master="a", epoch=3)),
    "two, one is ahead": (say(of="xy") | say("b", 4, of="z"), None),
    "two at different epochs": (say(of="x") | say("a", 2, of="y"), None),
    "a failover": (say(of="xy") | say(of="z", switching=True), Named(master="a", epoch=3, switching=True)),
    "nobody": ({}, None),
}


@pytest.mark.parametrize("row", NAMED)
def test_named(row: str) -> None:
    voices, expected = NAMED[row]
    assert named(evidence({"a": copy()}, voices)) == expected


VOTES: dict[str, tuple[dict[str, Copy], str]] = {
    "not all are known": ({"a": copy(), "b": copy()}, ""),
    "all are empty": ({"a": EMPTY, "b": EMPTY, "c": EMPTY}, ""),
    "the later epoch": ({"a": copy(3, 5, M, 900), "b": copy(4, 0, R, 1), "c": copy()}, "b"),
    "the later life": ({"a": copy(3, 0, M, 900), "b": copy(3, 1, R, 1), "c": EMPTY}, "b"),
    "the master, though a replica wrote its state later": (
        {"a": copy(3, 0, M, 100), "b": copy(3, 0, R, 120), "c": copy()},
        "a",
    ),
    "the longer of replicas": ({"a": copy(3, 0, R, 100), "b": copy(3, 0, R, 120), "c": EMPTY}, "b"),
    "the fuller one": ({"a": copy(3, 0, R, 100, "r", 1), "b": copy(3, 0, R, 100, "r", 2), "c": EMPTY}, "b"),
    "the first of equals": ({"a": copy(), "b": copy(), "c": copy()}, "a"),
}


@pytest.mark.parametrize("row", VOTES)
def test_vote(row: str) -> None:
    copies, expected = VOTES[row]
    assert vote(evidence(copies)) == expected


ANEW = replace(master(3, 1), live=Live(role=M, replid="new", replid2="0"))
UP, DOWN = Live(role=R, master="b", link_up=True, replid="r", offset=100), Live(role=R, master="b", replid="r")
PROMOTABLE: dict[str, tuple[Evidence, Live, bool, bool]] = {
    # evidence, live, before, now
    "in sync": (evidence({"a": copy(), "b": master()}, say("b")), UP, False, True),
    "in sync, but the Sentinels still find the master down": (
        evidence({"a": copy(), "b": master()}, say("b", down=True)),
        UP,
        False,
        False,
    ),
    "in sync, but not yet with all that the master has had": (
        evidence({"a": copy(), "b": master(offset=101)}, say("b")),
        UP,
        False,
        False,
    ),
    "not yet in sync": (evidence({"a": copy(), "b": master()}, say("b")), DOWN, False, False),
    "in sync with another than is named": (evidence({"a": copy(), "b": master()}, say("c")), UP, False, False),
    "in sync, but not known of which life": (evidence({"a": copy(), "b": master(3, 1)}, say("b")), UP, False, False),
    "it was, and the master has gone": (evidence({"a": copy()}, say("b")), DOWN, True, True),
    "it was, and the master has begun anew": (evidence({"a": copy(), "b": ANEW}, say("b")), DOWN, True, False),
    "it was, and the master has started, but takes no writes yet": (
        evidence({"a": copy(), "b": replace(ANEW, state=state(3, 0, M))}, say("b")),
        UP,
        True,
        False,
    ),
    "in sync with a master that has started, but takes no writes yet": (
        evidence({"a": copy(), "b": replace(ANEW, state=state(3, 0, M))}, say("b")),
        replace(UP, replid="new"),
        False,
        True,
    ),
    "it was, and an old master that it does not follow has started again": (
        evidence(
            {
                "a": copy(),
                "b": replace(master(4), live=Live(role=M, replid="new", replid2="r")),
                "c": replace(ANEW, state=state(3, 0, M)),
            },
            say("b", 4),
        ),
        DOWN,
        True,
        True,
    ),
    "it was, and the master starts anew": (evidence({"a": copy(), "b": copy(3, 1, M)}, say("b")), DOWN, True, False),
    "it was, and another follows a master that has begun anew": (
        evidence({"a": copy(), "c": replace(ANEW, live=Live(role=R, replid="new"))}, say("b")),
        DOWN,
        True,
        False,
    ),
    "it was, and another was promoted and goes on": (
        evidence({"a": copy(), "c": replace(master(4), live=Live(role=M, replid="new", replid2="r"))}, say("c", 4)),
        DOWN,
        True,
        True,
    ),
    "it was, and no Sentinel answers": (evidence({"a": copy(), "b": master()}), UP, True, True),
    "it was not, and no Sentinel answers": (evidence({"a": copy(), "b": master()}), UP, False, False),
    "the named one yields, and this copy is the best": (
        evidence({"a": copy(), "b": Copy(phase=Phase.YIELDING), "c": copy(2)}, say("b")),
        DOWN,
        False,
        True,
    ),
    "the named one has lost all, and another does not answer, which may have more": (
        evidence({"a": copy(), "b": Copy(phase=Phase.YIELDING)}, say("b"), waited=999),
        DOWN,
        False,
        False,
    ),
    "the named one has too little, and another does not answer": (
        evidence({"a": copy(), "b": copy(2, phase=Phase.YIELDING)}, say("b")),
        DOWN,
        False,
        True,
    ),
    "the named one yields, and another copy is better": (
        evidence({"a": copy(), "b": Copy(phase=Phase.YIELDING), "c": copy(3, 0, R, 200)}, say("b")),
        DOWN,
        False,
        False,
    ),
    "the named one is not there yet": (evidence({"a": copy(), "c": copy(2)}, say("b"), waited=60), DOWN, False, False),
    "the named one has not come": (evidence({"a": copy(), "c": copy(2)}, say("b"), waited=120), DOWN, False, True),
    "the named one has not come, nor has another": (evidence({"a": copy()}, say("b"), waited=999), DOWN, False, False),
    "the same, but it is forced": (evidence({"a": copy()}, say("b"), waited=999, force="a"), DOWN, False, True),
    "the named one loads its data": (
        evidence({"a": copy(), "b": copy(phase=Phase.RUNNING), "c": copy(2)}, say("b"), waited=999),
        DOWN,
        False,
        False,
    ),
}


@pytest.mark.parametrize("row", PROMOTABLE)
def test_may_be_promoted(row: str) -> None:
    given, live, before, now = PROMOTABLE[row]
    assert may_be_promoted(given, live, before) is now


ASKED: dict[str, tuple[dict[str, Voice], bool]] = {
    "all find it down": (say(down=True), True),
    "two find it down": (say(of="xy", down=True) | say(of="z"), True),
    "one finds it down": (say(of="x", down=True) | say(of="yz"), False),
    "none does yet": (say(), False),
    "none answers": ({}, False),
    "it is being replaced": (say(down=True) | say(of="z", down=True, switching=True), False),
}


@pytest.mark.parametrize("row", ASKED)
def test_may_ask_for_another(row: str) -> None:
    voices, expected = ASKED[row]
    assert may_ask_for_another(evidence({"a": EMPTY, "b": replica("a")}, voices)) is expected


LEADS = Live(role=M, replid="r", offset=150)
DEPOSED: dict[str, tuple[Evidence, Live, str]] = {
    "by a later epoch": (evidence({"a": copy(3, 0, M)}, say("b", 4)), LEADS, "b"),
    "not by the same epoch": (evidence({"a": copy(3, 0, M)}, say("b", 3)), LEADS, ""),
    "not by one Sentinel": (evidence({"a": copy(3, 0, M)}, say("b", 4, of="x")), LEADS, ""),
    "not while the named one is replaced, maybe by this one": (
        evidence({"a": copy(3, 0, M)}, say("b", 4, of="xy") | say("b", 4, of="z", switching=True)),
        LEADS,
        "",
    ),
    "not if it is named": (evidence({"a": copy(3, 0, M)}, say("a", 4)), LEADS, ""),
    "no replica": (evidence({"a": copy()}, say("b", 4)), UP, ""),
}


@pytest.mark.parametrize("row", DEPOSED)
def test_deposed_by(row: str) -> None:
    given, live, expected = DEPOSED[row]
    assert deposed_by(given, live) == expected


WRITES: dict[str, tuple[dict[str, Voice], Live, bool]] = {
    "all have heard of it since": (say(heard=0.5), LEADS, True),
    "two have, and one does not answer": (say(of="xy", heard=0.5), LEADS, True),
    "one has not, which is too few for a failover": (say(of="xy", heard=0.5) | say(of="z", heard=3.0), LEADS, True),
    "two have not": (say(of="x", heard=0.5) | say(of="yz", heard=3.0), LEADS, False),
    "one has not, and another does not answer": (say(of="x", heard=0.5) | say(of="y", heard=3.0), LEADS, False),
    "one finds it down": (say(of="xy", heard=0.5) | say(of="z", heard=0.5, down=True), LEADS, True),
    "two find it down": (say(of="x", heard=0.5) | say(of="yz", heard=0.5, down=True), LEADS, False),
    "one replaces it": (say(of="xy", heard=0.5) | say(of="z", heard=0.5, switching=True), LEADS, False),
    "too few answer": (say(of="x", heard=0.5), LEADS, False),
    "another is named": (say("b", 4, heard=0.5), LEADS, False),
    "a replica, which does not any more than it would": (say("b", heard=0.5), UP, True),
}


@pytest.mark.parametrize("row", WRITES)
def test_may_write(row: str) -> None:
    voices, live, expected = WRITES[row]
    assert may_write(evidence({"a": copy(3, 0, M)}, voices), live, up=1.0) is expected


ATTENDED = replace(LEADS, replicas=1)
CUT_OFF: dict[str, tuple[dict[str, Voice], Live, bool]] = {
    "alone with one Sentinel": (say(of="x"), LEADS, True),
    "alone with nobody": ({}, LEADS, True),
    "alone, and most name another": (say("b", 4), LEADS, True),
    "alone with Sentinels that remember nothing": (BLANK, LEADS, True),
    "alone with two Sentinels": (say(of="xy"), LEADS, False),
    "with a replica, and no Sentinel": ({}, ATTENDED, False),
    "with a replica, and one Sentinel": (say(of="x"), ATTENDED, False),
    "a replica": ({}, UP, False),
}


@pytest.mark.parametrize("row", CUT_OFF)
def test_cut_off(row: str) -> None:
    voices, live, expected = CUT_OFF[row]
    assert cut_off(evidence({"a": copy(3, 0, M)}, voices), live, needed=1) is expected
    assert not cut_off(evidence({"a": copy(3, 0, M)}, voices), live, needed=0)


RISING = replace(copy(3, 0, R), live=Live(role=M), phase=Phase.RUNNING)
RIVALS: dict[str, tuple[Evidence, Live, str]] = {
    "one that is being promoted": (evidence({"a": copy(3, 0, M), "b": RISING}), LEADS, "b"),
    "one of a later epoch": (evidence({"a": copy(3, 0, M), "b": master(4)}), LEADS, "b"),
    "not one of an earlier epoch": (evidence({"a": copy(3, 0, M), "b": master(2)}), LEADS, ""),
    "not a replica": (evidence({"a": copy(3, 0, M), "b": replica("a")}), LEADS, ""),
    "none, where this one is being promoted": (evidence({"a": copy(), "b": master()}), LEADS, ""),
    "none of a replica": (evidence({"a": copy(), "b": master()}), UP, ""),
    "none, where nothing is known of this one": (evidence({"a": EMPTY, "b": master()}), LEADS, ""),
}


@pytest.mark.parametrize("row", RIVALS)
def test_rival(row: str) -> None:
    given, live, expected = RIVALS[row]
    assert rival(given, live) == expected


BEFORE = copy(3, 1, R, 100)
RECORDED: dict[str, tuple[Evidence, Live, tuple[int, int, Role, int] | None]] = {
    # epoch, life, role, offset
    "the named master": (evidence({"a": copy(3, 1, M)}, say()), LEADS, (3, 1, M, 150)),
    "the named master of a new epoch": (evidence({"a": BEFORE}, say("a", 4)), LEADS, (4, 0, M, 150)),
    "a master that nobody names yet": (
        evidence({"a": BEFORE}, say("b", 3)),
        replace(LEADS, replid="new"),
        (3, 1, R, 100),
    ),
    "a master that has just begun, and there are no Sentinels": (
        evidence({"a": Copy(state=state(3, 2, M, 0, ""))}),
        LEADS,
        (3, 2, M, 150),
    ),
    "a replica of the named master": (evidence({"a": BEFORE, "b": master(3, 2)}, say("b")), UP, (3, 2, R, 100)),
    "a replica of the named master, of which it is not known": (
        evidence({"a": BEFORE}, say("b")),
        replace(UP, replid="new"),
        (3, 1, R, 100),
    ),
    "a replica that is not in sync": (
        evidence({"a": BEFORE, "b": master(3, 2)}, say("b")),
        replace(DOWN, replid="new"),
        (3, 1, R, 100),
    ),
    "a replica that has lost its master goes on as far as it got": (
        evidence({"a": BEFORE}, say("b")),
        replace(DOWN, offset=130),
        (3, 1, R, 130),
    ),
    "a replica of a master that is not named": (
        evidence({"a": BEFORE, "b": master(3, 2)}, say("c", 4)),
        replace(UP, offset=120),
        (3, 1, R, 120),
    ),
    "an empty copy that has not begun to sync": (evidence({"a": EMPTY, "b": master()}, say("b")), DOWN, None),
}


@pytest.mark.parametrize("row", RECORDED)
def test_recorded(row: str) -> None:
    given, live, expected = RECORDED[row]
    found = recorded(given, live, at=1.0)
    assert (found and (found.epoch, found.life, found.role, found.offset)) == expected


@pytest.mark.parametrize(("data", "enough"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4)])
def test_enough_copies_have_one_that_has_all(data: int, enough: int) -> None:
    cluster = Cluster(data=nodes("abcde"[:data]), sentinels=nodes("x"), master_name="m", quorum=1)
    assert cluster.enough == enough


def test_whatever_is_known_there_is_a_decision_and_never_two_masters() -> None:
    """Random evidence, the same for all three: at most one leads, and none with less than it should have."""
    seed = random.randrange(2**32)
    print(f"seed: {seed}")
    dice = random.Random(seed)
    for _ in range(5000):
        voices = {each: _voice(dice) for each in "xyz" if dice.random() < 0.8}
        copies = {each: _copy(dice) for each in "abc" if dice.random() < 0.9}
        shared: dict[str, Any] = {"cluster": CLUSTER, "voices": voices, "waited": dice.choice([0.0, 40.0, 200.0])}
        copies = {
            name: replace(each, vote=vote(Evidence(me=name, copies=copies, **shared))) for name, each in copies.items()
        }
        leads = [
            name
            for name in copies
            if isinstance(decide(Evidence(me=name, copies=copies, bootstrap=dice.random() < 0.5, **shared)), Lead)
        ]
        assert len(leads) <= 1, (voices, copies)
        if leads and (own := copies[leads[0]].state):
            assert all(own.lineage >= each.state.lineage for each in copies.values() if each.state)
        elif leads:
            assert not any(each.state for each in copies.values())


def _voice(dice: random.Random) -> Voice:
    return Voice() if dice.random() < 0.3 else Voice(master=dice.choice("abc"), epoch=dice.randrange(3))


def _copy(dice: random.Random) -> Copy:
    if dice.random() < 0.3:
        return EMPTY
    role = dice.choice([M, R])
    return copy(dice.randrange(3), dice.randrange(2), role, dice.randrange(3), durable=dice.random() < 0.5)


def test_a_copy_and_its_state_survive_json() -> None:
    for each in (EMPTY, copy(), master(), replica("b")):
        assert Copy.of(each.document()) == each
    broken: Any
    for broken in ({}, None, {"state": {"epoch": 1}}, []):
        with pytest.raises(ValueError, match=r"no (copy|state)"):
            Copy.of(broken)


def test_the_order_of_copies_is_no_matter() -> None:
    copies = {"a": copy(3, 0, M), "b": copy(3, 0, R, 120), "c": copy(2)}
    found = {vote(evidence(dict(order))) for order in itertools.permutations(copies.items())}
    assert found == {"a"}
