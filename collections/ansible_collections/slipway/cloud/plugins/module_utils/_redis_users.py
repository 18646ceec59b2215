# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""The users of Redis: their passwords, what they may do, and how passwords change while all goes on. Pure.

A rotation is noted before anything else, with all old and all new passwords; so each of its steps can be taken again:

    begin      both are accepted
    replicate  Redis, its Sentinels and agents use the new ones among each other
    switch     the Secret of those who use Redis has the new one
    finish     the old ones are accepted no longer
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from dataclasses import dataclass

Phase = t.Literal["keep", "begin", "replicate", "switch", "finish"]
Data = dict[str, str]
"""What a Secret holds: text by key."""

APP: t.Final = "app"
DEFAULT: t.Final = "default"
INTERNAL: t.Final = ("replica", "sentinel", "agent", "probe")
PHASES: t.Final = t.get_args(Phase)
SHORTEST: t.Final = 12
FEWEST: t.Final = 5  # different characters
_NAME = re.compile(r"[a-z][-_a-z0-9]{0,62}")

# What each may do in Redis, and in a Sentinel: https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
_DATA: t.Mapping[str, str] = {
    APP: "~* &* +@all -@admin -@dangerous +info +role +keys +sort +sort_ro",
    "replica": "-@all +psync +replconf +ping",
    "sentinel": (
        "&* -@all +multi +slaveof +replicaof +ping +exec +subscribe +config|rewrite +role +publish +info"
        " +client|setname +client|kill +script|kill"
    ),
    "agent": "~* &* +@all",
    "probe": "-@all +ping +info +role",
}
_OF_RESTORES: t.Final = " +swapdb"  # which are transactions in that file
_SENTINEL: t.Mapping[str, str] = {
    APP: (
        "&* -@all +auth +hello +ping +info +role +command +subscribe +psubscribe +unsubscribe +punsubscribe"
        " +client|setname +client|getname +client|id +sentinel|get-master-addr-by-name +sentinel|master"
        " +sentinel|masters +sentinel|replicas +sentinel|slaves +sentinel|sentinels"
    ),
    "sentinel": ("&* -@all +auth +hello +ping +publish +info +role +client|setname +sentinel|is-master-down-by-addr"),
    "agent": "&* +@all",
    "probe": "-@all +ping +info +role +sentinel|ckquorum",
}


@dataclass(frozen=True, slots=True)
class Held:
    """What three Secrets hold: that of those who use Redis, that of Redis, and that of a rotation that goes on."""

    app: Data
    internal: Data
    rotation: Data


@dataclass(frozen=True, slots=True)
class Wanted:
    """What they are to hold; without ``rotation`` none goes on."""

    app: Data
    internal: Data
    rotation: Data | None

    @property
    def version(self) -> str:
        """Changes with what Redis is to know."""
        return self.internal["version"]


def problems_of(user: str, given: str, held: Held, phase: Phase) -> list[str]:
    """Return what cannot be, one text each; no password is in them."""
    kept = held.app.get("password")
    return [
        *_of_user(user),
        *(f"redis_password {problem}" for problem in weaknesses(given, user) if given),
        *(
            ["the Secret of Redis has an empty password: delete the Secret, or give redis_password"]
            if kept == ""
            else []
        ),
        *_of_phase(given, held, phase),
    ]


def weaknesses(password: str, user: str) -> list[str]:
    """Return why a password is too weak."""
    return [
        *([f"has less than {SHORTEST} characters"] if len(password) < SHORTEST else []),
        *([f"has less than {FEWEST} different characters"] if len(set(password)) < FEWEST else []),
        *(["contains the name of its user"] if len(user) > 3 and user in password else []),
        *(
            ["begins or ends with a space, or has a line break"]
            if password != " ".join(password.splitlines()).strip()
            else []
        ),
    ]


def _of_user(user: str) -> list[str]:
    if user in INTERNAL:
        return [f"redis_user is {user}, which Redis itself uses: give any but {', '.join(INTERNAL)}"]
    if not _NAME.fullmatch(user):
        return [f"redis_user is {user!r}: give a lower case letter, then letters, digits, - or _"]
    return []


def _of_phase(given: str, held: Held, phase: Phase) -> list[str]:
    """Whether a password is given that a running Redis does not know."""
    known = {held.app.get("password", ""), held.rotation.get(f"new.{APP}", ""), ""}
    if phase == "keep" and held.internal and given not in known:
        return [
            (
                "redis_password is not what Redis runs with: playbooks/rotate_redis_password.yml changes it while all "
                "goes on, or leave redis_password empty to keep the one that the Secret redis holds"
            )
        ]
    if phase == "begin" and held.rotation and given and given != held.rotation[f"new.{APP}"]:
        return ["another rotation goes on, to another password: finish it first, with redis_password as it was then"]
    if phase != "keep" and not held.internal:
        return ["there is no Redis whose password could change: site.yml installs it"]
    return []


def settled(held: Held, *, user: str, given: str, phase: Phase, make: t.Callable[[], str]) -> Wanted:
    """Return what the Secrets are to hold at the end of a phase; ``make`` returns a new password."""
    current = {
        APP: (given if phase == "keep" and not held.rotation else "") or held.app.get("password") or make(),
        **{name: held.internal.get(name) or make() for name in INTERNAL},
    }
    rotation = held.rotation or (_begun(current, given, make) if phase == "begin" else {})
    if not rotation:
        return _wanted(user, current, [current], None)
    old, new = ({name: rotation[f"{age}.{name}"] for name in current} for age in ("old", "new"))
    if phase == "finish":
        return _wanted(user, new, [new], None)
    if phase in ("replicate", "switch"):
        current |= {name: new[name] for name in INTERNAL}
    if phase == "switch":
        current[APP] = new[APP]
    return _wanted(user, current, [old, new], rotation)


def _begun(current: Data, given: str, make: t.Callable[[], str]) -> Data:
    """Return the note of a new rotation; none is needed to a password that is there."""
    if given == current[APP]:
        return {}
    new = {APP: given or make(), **{name: make() for name in INTERNAL}}
    return {f"{age}.{name}": value for age, all_ in (("old", current), ("new", new)) for name, value in all_.items()}


def _wanted(user: str, current: Data, accepted: t.Sequence[Data], rotation: Data | None) -> Wanted:
    internal = {
        "users.acl": acl(_DATA, user, accepted),
        "sentinel.acl": acl(_SENTINEL, user, accepted),
        **{name: current[name] for name in INTERNAL},
    }
    digest = hashlib.sha256(json.dumps(internal, sort_keys=True).encode()).hexdigest()
    return Wanted({"username": user, "password": current[APP]}, {**internal, "version": digest[:16]}, rotation)


def acl(rights: t.Mapping[str, str], user: str, accepted: t.Sequence[Data]) -> str:
    """Return an ACL file: a line for each user, with the SHA-256 of each password that is accepted, and no password.

    Who gives a password alone is the user ``default``. Else nobody can be that: it is off and has no password. But it
    has all rights, because it is in its name that Redis 7.0 reads its own file at the start, and it drops each
    transaction and script with a command that it may not use (redis#14541).
    """
    lines = [] if user == DEFAULT else [f"user {DEFAULT} off resetpass ~* &* +@all"]
    for name, rules in rights.items():
        hashes = dict.fromkeys(f"#{hashlib.sha256(each[name].encode()).hexdigest()}" for each in accepted)
        more = _OF_RESTORES if rights is _DATA and (name, user) == (APP, DEFAULT) else ""
        lines.append(f"user {user if name == APP else name} on {' '.join(hashes)} {rules}{more}")
    return "\n".join(lines) + "\n"
