"""What an operator reads about VMs that cannot be: one message that says what to do, and nothing has been made."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ansible import playbook
from tests.support.paths import CACHE
from tests.support.users import USER, not_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.ansible import Run

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "name of the set": ({"vm_set": "toolong"}, r"vm_set is 'toolong': a set is called main, or by one lower-case"),
    "count of workers": ({"vm_workers": 12}, r"vm_workers is '?12'?: a set has 0 to 9 workers"),
    "unknown variable": ({"vm_intrenet": True}, r"vm_intrenet: unknown variable; did you mean vm_internet\?"),
    "unknown state": ({"vm_state": "off"}, r"vm_state must be one of: absent, poweroff, present, started, got: off"),
}
TAKEN = {
    "bridge": ("slipway-x", "192.0.2.99/32", r"slipway-x is not a bridge: rename it, or use another vm_set"),
    "subnet": ("test-taken", "10.77.24.200/25", r"subnet 10\.77\.24\.0/24 is in use on this machine"),
}


@contextlib.contextmanager
def device(name: str, address: str) -> Iterator[None]:
    """A network device that has nothing to do with us."""
    commands = (
        f"link add {name} type veth peer name test-peer",
        f"address add {address} dev {name}",
        f"link set {name} up",
    )
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


def assert_refused(answer: Run, message: str) -> None:
    assert answer.code != 0
    assert re.search(message, " ".join(answer.output.split())), answer.output
    assert "Traceback" not in answer.output
    assert answer.changed == []
    assert not (CACHE / "vms" / "x" / "x-node1").exists()


@pytest.mark.parametrize(("variables", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake(variables: dict[str, Any], message: str) -> None:
    assert_refused(playbook("vms", {"vm_set": "x", **variables}), message)


@pytest.mark.parametrize(("name", "address", "message"), TAKEN.values(), ids=TAKEN)
def test_taken(name: str, address: str, message: str) -> None:
    with device(name, address):
        assert_refused(playbook("vms", {"vm_set": "x"}), message)


def test_not_root(tmp_path: Path) -> None:
    os.chown(tmp_path, USER, USER)
    assert_refused(playbook("vms", {"vm_set": "x"}, prefix=not_root(tmp_path)), r"need root: run this as root")
