# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the module go_tool and say what it is doing: a build of Kubernetes takes minutes."""

from __future__ import annotations

import threading
import time
import typing as t
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

if t.TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK_SECONDS = 1.0
_SAY_SECONDS = 15.0


def progress(log: str) -> str:
    """Return what a build's log says: how many packages were compiled, and what was compiled or downloaded last."""
    lines = [line for line in log.splitlines() if not line.startswith(("#", " ", "\t"))]
    packages = sum(not line.startswith("go: ") for line in lines)
    return f"{packages} packages compiled, now {lines[-1].removeprefix('go: ')}" if lines else "linking"


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds: 75 -> ``1:15``."""
    return "{}:{:02d}".format(*divmod(int(seconds), 60))


class ActionModule(ActionBase):
    """Show a line when a build starts, and one each quarter of a minute."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        super().run(tmp, task_vars)
        args = self._task.args
        title = f"{args.get('name')} {args.get('version')} ({args.get('position') or '1 of 1'})"
        with _follow(Path(str(args.get("bundle"))) / "log" / f"{args.get('name')}.log", title):
            result: dict[str, t.Any] = self._execute_module(task_vars=task_vars)
        return result


@contextmanager
def _follow(log: Path, title: str) -> Iterator[None]:
    ended = threading.Event()
    follower = threading.Thread(target=_show, args=(log, title, ended), daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _show(log: Path, title: str, ended: threading.Event) -> None:
    """Show the progress of the build that writes the log; nothing when none is started."""
    display = Display()
    since = time.time()
    while not ended.wait(_LOOK_SECONDS):
        if _modified(log) >= since:
            break
    else:
        return
    display.display(f"    {title}: building; all of it is in {log}")
    while not ended.wait(_SAY_SECONDS):
        with suppress(OSError):
            display.display(f"    {title}: {clock(time.time() - since)}, {progress(log.read_text(errors='replace'))}")
    display.display(f"    {title}: {clock(time.time() - since)}")


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
