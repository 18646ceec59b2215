# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this plugin util is PRIVATE to the collection: it can have breaking changes at any time.
"""Events as lines on the terminal of who runs Ansible, while they happen."""

from __future__ import annotations

import typing as t

from ansible import constants

from ..module_utils.engine.progress import Event, Milestone, line

_COLORS: dict[Milestone, str] = {
    "executed": "COLOR_CHANGED",
    "took effect": "COLOR_OK",
    "failed": "COLOR_ERROR",
    "": "COLOR_VERBOSE",
}


class Terminal:
    """Shows a line for each change of state, in colour where Ansible's own output has it.

    :param display: C(Display.display), which sends what it is told from a worker to the process with the terminal, and
        heeds NO_COLOR.
    """

    def __init__(self, display: t.Callable[..., None]) -> None:
        self._display = display
        self._shown: dict[tuple[str, str, str], tuple[str, str]] = {}

    def show(self, event: Event) -> None:
        """Show an event, unless it is one of counts alone, or a warning, which is shown in any case."""
        key, state = (event.kind, event.namespace, event.name), (event.stage, event.message)
        if self._shown.get(key) == state or event.stage == "warning":
            return
        self._shown[key] = state
        setting = constants.config.get_config_value
        self._display(line(event), color=setting(_COLORS[event.milestone]), stderr=setting("VERBOSE_TO_STDERR"))
