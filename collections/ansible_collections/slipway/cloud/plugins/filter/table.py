# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter C(slipway.cloud.table): rows as an aligned text table."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: table
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Lay out rows as an aligned text table
description:
  - Turns a list of dictionaries into text with one line for the headings and one for each row.
  - Numbers stand to the right, with two decimals if they have any; everything else stands to the left.
  - A boolean is shown as C(yes) or C(no).
positional: _input, columns
options:
  _input:
    description: The rows.
    type: list
    elements: dict
    required: true
  columns:
    description: The keys to show, in this order. All keys of the first row unless given.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Show who is there
  ansible.builtin.debug:
    msg: "{{ nodes | slipway.cloud.table(['name', 'address']) }}"
"""

RETURN = r"""
_value:
  description: The table, its lines joined by newlines.
  type: str
"""


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def table(rows: t.Sequence[t.Mapping[str, object]], columns: t.Sequence[str] | None = None) -> str:
    """Return the rows as text; a key that a row lacks, or a null, is shown as C(-)."""
    if not all(isinstance(row, t.Mapping) for row in rows):
        raise AnsibleFilterError("slipway.cloud.table needs a list of dictionaries")
    keys = list(columns or (rows[0] if rows else []))
    lines = [keys, *([_text(row.get(key)) for key in keys] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(keys))]
    numeric = [any(_is_number(row.get(key)) for row in rows) for key in keys]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, t.Callable[..., object]]:
        return {"table": table}
