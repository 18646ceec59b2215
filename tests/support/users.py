"""Somebody who is not root."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

USER = 65534
# The interpreter may lie below root's home: the right to read is all that is left to this user.
READ = "-all,+dac_read_search"


def not_root(home: Path) -> list[str]:
    """What goes before a command of Ansible that this user runs; `home` must be the user's."""
    who = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    rights = [f"--{kind}={READ}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    places = [f"HOME={home}", f"ANSIBLE_LOCAL_TEMP={home}/local", f"ANSIBLE_REMOTE_TEMP={home}/remote"]
    return ["setpriv", *who, *rights, "env", *places]
