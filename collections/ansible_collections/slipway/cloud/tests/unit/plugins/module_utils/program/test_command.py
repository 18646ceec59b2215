# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of program.command."""

from __future__ import annotations

import subprocess
import sys
import typing as t
from pathlib import Path

import ansible_collections.slipway.cloud.plugins.module_utils.program as package
from ansible_collections.slipway.cloud.plugins.module_utils.program.command import parser, refuse

if t.TYPE_CHECKING:
    import pytest

BESIDE_A_WAITING_THREAD = """
import threading
from command import leave
threading.Thread(target=threading.Event().wait).start()
print("last words")
leave(3)
"""


def test_help_has_the_variables_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    parser("slipway_x", "What it is.\n", "  X  of 100 %").print_help()
    said = capsys.readouterr().out
    assert said.startswith("usage: python -m slipway_x ")
    assert said.endswith("environment variables, [default]:\n  X  of 100 %\n")


def test_why_it_cannot_begin_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert refuse("slipway_x", ValueError("of\n  two lines")) == 2
    assert refuse("slipway_x", ValueError("later"), 1) == 1
    assert capsys.readouterr().err == "slipway_x: of two lines\nslipway_x: later\n"


def test_no_thread_keeps_it() -> None:
    process = subprocess.run(
        [sys.executable, "-c", BESIDE_A_WAITING_THREAD],
        cwd=Path(package.__path__[0]),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (3, "last words\n", "")
