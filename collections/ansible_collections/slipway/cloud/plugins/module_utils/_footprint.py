# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What a machine was like before a role changed it, and what follows for taking the changes back.

Runs on nodes: the standard library of Python 3.10 only. Pure.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import asdict, dataclass, field, fields

UNITS = "/etc/systemd/system"
# Packages count as needed only by those that cannot do without them.
ONLY_DEPENDENCIES = ("-oAPT::AutoRemove::RecommendsImportant=false", "-oAPT::AutoRemove::SuggestsImportant=false")
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Listing(t.TypedDict):
    """A directory: its permissions and what is in it."""

    mode: int
    names: list[str]


@dataclass(frozen=True)
class Note:
    """What was there before. What a note does not name was not looked at, and is left alone."""

    files: dict[str, bool] = field(default_factory=dict)
    """Whether there was such a file, of which a copy is kept then."""
    directories: dict[str, Listing | None] = field(default_factory=dict)
    """What the directory was like; None if there was none."""
    parents: dict[str, bool] = field(default_factory=dict)
    """Directories that others may use too, and that were not there."""
    units: dict[str, bool] = field(default_factory=dict)
    """Whether the unit ran."""
    sysctls: dict[str, str | None] = field(default_factory=dict)
    """The value; None if the kernel had no such setting."""
    packages: dict[str, bool] = field(default_factory=dict)
    """Packages that were not there."""

    @classmethod
    def load(cls, kept: t.Mapping[str, t.Any]) -> Note:
        """Return what :meth:`dump` was given."""
        return cls(**{each.name: dict(kept.get(each.name, {})) for each in fields(cls)})

    def dump(self) -> dict[str, t.Any]:
        """Return it as plain values."""
        return asdict(self)

    def extended(self, later: Note) -> Note:
        """Return this note with what was only looked at later."""
        return Note.load({key: {**value, **self.dump()[key]} for key, value in later.dump().items()})


def unit_files(unit: str) -> list[str]:
    """Return the files by which a unit of ours is there and starts with the machine."""
    return [f"{UNITS}/{unit}", f"{UNITS}/multi-user.target.wants/{unit}"]


def added_packages(simulated: str) -> list[str]:
    """Return the packages that would be new, of what C(apt-get --simulate install) says: not those it upgrades."""
    return re.findall(r"^Inst (\S+) \(", simulated, re.MULTILINE)


def dispensable(packages: t.Iterable[str], simulated: str) -> list[str]:
    """Return those packages that C(apt-get --simulate autoremove) would remove: nothing else needs them."""
    unneeded = set(re.findall(r"^(?:Remv|Purg) (\S+)", simulated, re.MULTILINE))
    return sorted(set(packages) & unneeded)


def leftovers(directory: str, *, before: Listing | None, now: Listing | None) -> list[str]:
    """Return the paths that came with or into a directory since it was noted."""
    if now is None:
        return []
    if before is None:
        return [directory]
    return [f"{directory}/{name}" for name in sorted(set(now["names"]) - set(before["names"]))]


def mounts_in(mountinfo: str, paths: t.Iterable[str]) -> list[str]:
    """Return the mount points at and below these paths, the latest first."""
    found = [_ESCAPED.sub(lambda code: chr(int(code[1], 8)), line.split()[4]) for line in mountinfo.splitlines()]
    tops = tuple(f"{path}/" for path in paths)
    return [point for point in reversed(found) if f"{point}/".startswith(tops)]


def deepest_first(paths: t.Iterable[str]) -> list[str]:
    """Return the paths in an order in which directories can be removed."""
    return sorted(paths, key=lambda path: (-path.count("/"), path))
