# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What is wrong with the variables of an inventory, judged by the argument specs of the roles."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .engine.errors import nearest

Options = t.Mapping[str, t.Mapping[str, t.Any]]

# Close enough to an option of another name that a slip of the finger is likelier than a variable of the user's own.
_TYPO_CUTOFF = 0.9


def unknown_variables(names: t.Iterable[str], specs: t.Mapping[str, Options]) -> list[str]:
    """Return a complaint for each variable that looks like a role's but is not one.

    :param names: the names of all variables of a host.
    :param specs: role -> its options, as in C(meta/argument_specs.yml).
    """
    known = {option for options in specs.values() for option in options}
    complaints = []
    for name in sorted(set(names) - known):
        owned = any(name.startswith(f"{role}_") for role in specs)
        suggestion = nearest(name, known, cutoff=0.6 if owned else _TYPO_CUTOFF)
        if owned or suggestion:
            hint = f"; did you mean {suggestion}?" if suggestion else "; no role has such a variable"
            complaints.append(f"{name}: unknown variable{hint}")
    return complaints


def invalid_values(values: t.Mapping[str, t.Any], options: Options) -> list[str]:
    """Return a complaint for each value that does not fit a role's options; what is not given is not judged."""
    optional = {name: {**option, "required": False} for name, option in options.items()}
    given = {name: value for name, value in values.items() if name in options}
    return list(ArgumentSpecValidator(optional).validate(given).error_messages)


def complaints(variables: t.Mapping[str, t.Any], specs: t.Mapping[str, Options]) -> list[str]:
    """Return all that is wrong with the variables of one host; ``specs`` as in unknown_variables()."""
    found = unknown_variables(variables, specs)
    for options in specs.values():
        found += invalid_values({name: variables[name] for name in options if name in variables}, options)
    return found
