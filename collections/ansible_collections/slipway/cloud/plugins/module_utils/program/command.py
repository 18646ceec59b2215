# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a program begins and ends."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import typing as t

CANNOT_BEGIN = 2  # the exit code


def parser(program: str, about: str, variables: str) -> argparse.ArgumentParser:
    """Return a parser of no arguments yet, whose help lists the variables. :param variables: as describe() does."""
    return argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=about,
        epilog=f"environment variables, [default]:\n{variables}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def refuse(program: str, error: Exception, code: int = CANNOT_BEGIN) -> int:
    """Say in one line on stderr why the program does not do what it should; returns the exit code."""
    sys.stderr.write(f"{program}: {' '.join(str(error).split())}\n")
    return code


def leave(code: int) -> t.NoReturn:
    """End the process now.

    sys.exit() would wait for every thread: one may be asking a server that does not answer.
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
