"""Runs the real `ansible` and `ansible-playbook` commands and reads what they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.paths import CHECKOUT, VENV_BIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TIMED_OUT = 124  # as timeout(1) says it
CHANGED = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<task>.*)\] \**$|^changed: \[(?P<host>[^\] ]+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What a command answered, and the seconds it took."""

    code: int
    output: str
    seconds: float

    @property
    def result(self) -> dict[str, Any]:
        """The module's result of an ad hoc run on one host."""
        answer: dict[str, Any]
        answer, _ = json.JSONDecoder().raw_decode(self.output.partition(" => ")[2])
        return answer

    @property
    def changed(self) -> list[str]:
        """What a playbook changed, each as ``host: role : task``; a task that loops is told for each item."""
        task, changes = "", []
        for line in CHANGED.finditer(self.output):
            task = line["task"] or task
            changes += [f"{line['host']}: {task}"] if line["host"] else []
        return changes


def clean_environment() -> dict[str, str]:
    """This environment without what molecule, make or an Ansible above would have these commands do."""
    foreign = ("ANSIBLE_", "MAKE", "MFLAGS", "MOLECULE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, timeout: float) -> Run:
    """Run a command to its end, standard error joined to its output; killed after `timeout` seconds, its code is 124.

    The output goes through a file: a pipe would be held open by whatever a killed command leaves running.
    """
    began = time.monotonic()
    environment = {**clean_environment(), "ANSIBLE_NOCOLOR": "1", **(env or {})}
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(
            command, env=environment, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = TIMED_OUT
        output.seek(0)
        return Run(code, output.read(), time.monotonic() - began)


def module(
    name: str,
    options: Mapping[str, Any],
    *flags: str,
    kubeconfig: Path,
    prefix: Sequence[str] = (),
    timeout: float = 180,
) -> Run:
    """Run a module of the collection ad hoc on localhost, as a user types it; `prefix` may change who runs it."""
    ad_hoc = [str(VENV_BIN / "ansible"), "localhost", "-m", f"slipway.cloud.{name}", "-a", json.dumps(options)]
    env = {"KUBECONFIG": str(kubeconfig), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    return run([*prefix, *ad_hoc, *flags], env=env, timeout=timeout)


def playbook(
    name: str,
    variables: Mapping[str, Any],
    *flags: str,
    inventory: str = "testbed",
    prefix: Sequence[str] = (),
    timeout: float = 900,
) -> Run:
    """Run one of the project's playbooks on one of its inventories with these extra variables."""
    command = [str(VENV_BIN / "ansible-playbook"), "-i", f"inventories/{inventory}", f"playbooks/{name}.yml", *flags]
    return run([*prefix, *command, f"--extra-vars={json.dumps(variables)}"], timeout=timeout)
