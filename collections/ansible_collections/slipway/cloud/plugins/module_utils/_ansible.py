# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Glue between Ansible and the engine."""

from __future__ import annotations

import contextlib
import threading
import typing as t
from pathlib import Path

from .engine.client import Client, Connection, connect
from .engine.errors import EngineError, InvalidInputError
from .engine.lifecycle import Options
from .engine.progress import Event, Listener, ignore

Params = t.Mapping[str, t.Any]


def client_of(params: Params) -> Client:
    """Return a client as the shared options of CONNECTION say. :raises EngineError:"""
    return connect(
        Connection(
            kubeconfig=params["kubeconfig"],
            context=params["context"],
            namespace=params.get("namespace"),
            impersonate_user=params["impersonate_user"],
            impersonate_groups=tuple(params["impersonate_groups"]),
            connect_timeout=params["connect_timeout"],
            request_timeout=params["request_timeout"],
            pool=max(params.get("concurrency", 1), 4) + 4,
        )
    )


@contextlib.contextmanager
def event_log(path: str | None) -> t.Iterator[Listener]:
    """Append each event as a line of JSON to the file at ``path``, if one is given. :raises EngineError:"""
    if path is None:
        yield ignore
        return
    lock = threading.Lock()
    try:
        file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115  # closed below
    except OSError as error:
        raise EngineError(f"Cannot write events_path {path}: {error.strerror}.") from error

    def write(event: Event) -> None:
        with lock:
            file.write(f"{event.as_json()}\n")
            file.flush()

    with file:
        yield write


def options_of(params: Params, *, check_mode: bool, listener: Listener) -> Options:
    """Return how to carry out an operation, as the shared options of WAIT say."""
    return Options(
        wait=params["wait"],
        timeout=params["wait_timeout"],
        concurrency=params["concurrency"],
        fail_fast=params["fail_fast"],
        patience=_seconds(params["patience"]),
        dry_run=check_mode,
        listener=listener,
    )


def _seconds(patience: t.Mapping[str, t.Any]) -> dict[str, float]:
    """Return the seconds by code of a cause. :raises InvalidInputError:"""
    try:
        return {code: float(value) for code, value in patience.items()}
    except (TypeError, ValueError) as error:
        raise InvalidInputError([f"patience takes seconds by the code of a cause: {error}"]) from error


def option_problems(params: Params) -> list[str]:
    """Return what is wrong with the shared options."""
    least = {"concurrency": 1, "wait_timeout": 0, "connect_timeout": 0.001, "request_timeout": 0.001}
    problems = [
        f"{name} is {params[name]}, which is less than {bound}"
        for name, bound in least.items()
        if name in params and params[name] < bound
    ]
    if params.get("impersonate_groups") and not params["impersonate_user"]:
        problems.append("impersonate_groups needs impersonate_user")
    return problems


def refuse(problems: t.Sequence[str]) -> None:
    """Raise all problems at once, if there are any. :raises InvalidInputError:"""
    if problems:
        raise InvalidInputError(problems)


def texts(values: t.Mapping[str, t.Any] | None, *, what: str, problems: list[str]) -> dict[str, str]:
    """Return the values as text; a number is taken as it is written, whatever else is no string is a problem."""
    values = values or {}
    problems += [
        f"{what} {key} is {value!r}, which is no string: quote it"
        for key, value in values.items()
        if isinstance(value, bool) or not isinstance(value, str | int | float)
    ]
    return {str(key): str(value) for key, value in values.items()}
