# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What takes chains, and the rules that lead to them, out of the kernel's packet filter. Runs on nodes. Pure."""

from __future__ import annotations

import re
import typing as t


def removal(saved: str, prefixes: t.Sequence[str]) -> str:
    """Return what removes the chains of these prefixes, for C(iptables-restore --noflush); empty if there are none.

    :param saved: what C(iptables-save) says.
    """
    tables = re.findall(r"^\*(\S+)\n(.*?)^COMMIT$", saved, re.MULTILINE | re.DOTALL)
    return "".join(_table_removal(table, lines.splitlines(), tuple(prefixes)) for table, lines in tables)


def removed_chains(script: str) -> list[str]:
    """Return the chains that such a script removes."""
    return re.findall(r"^-X (\S+)$", script, re.MULTILINE)


def _table_removal(table: str, lines: list[str], prefixes: tuple[str, ...]) -> str:
    declared = [line[1:].split()[0] for line in lines if line.startswith(":")]
    chains = [chain for chain in declared if chain.startswith(prefixes)]
    if not chains:
        return ""
    rules = [line.removeprefix("-A ") for line in lines if line.startswith("-A ")]
    leading = [rule for rule in rules if not rule.startswith(prefixes) and _target(rule).startswith(prefixes)]
    # A chain can be removed once it is empty, which declaring it anew does, and nothing leads to it.
    script = [f"*{table}"]
    script += [f":{chain} - [0:0]" for chain in chains]
    script += [f"-D {rule}" for rule in leading]
    script += [f"-X {chain}" for chain in chains]
    return "\n".join([*script, "COMMIT", ""])


def _target(rule: str) -> str:
    found = re.search(r" (?:-j|-g) (\S+)", rule)
    return found[1] if found else ""
