"""The one VM of a set, as a machine that a site is put on and taken off."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.support import snapshot
from tests.support.ansible import Run, playbook, run
from tests.support.kubernetes import Kubernetes, succeed
from tests.support.paths import VENV_BIN


@dataclass(frozen=True)
class Machine:
    """The only node of a set of VMs."""

    kubernetes: Kubernetes

    @property
    def name(self) -> str:
        """Its name."""
        [name] = self.kubernetes.addresses
        return name

    def make_anew(self, **variables: object) -> None:
        """Have a VM on which nothing was installed yet, with the keys of the one that was there."""
        self.kubernetes.machines(self.name, vm_state="absent")
        self.kubernetes.machines(**variables)

    def run(self, *command: str) -> str:
        """Run a command on it, to its end."""
        return succeed(self.kubernetes.on_node(self.name, *command)).output

    def look(self) -> snapshot.Snapshot:
        """See what it is like."""
        program = Path(snapshot.__file__).read_text(encoding="utf-8")
        found: snapshot.Snapshot = json.loads(self.run("python3", "-c", program))
        return found

    def install(self, role: str) -> None:
        """Run one role alone, as a site does that ends there."""
        ad_hoc = [str(VENV_BIN / "ansible"), self.name, "-i", "inventories/testbed", "--become", "-m", "include_role"]
        variables = [f"--extra-vars=vm_set={self.kubernetes.vm_set}"]
        succeed(run([*ad_hoc, "-a", f"name={role}", *variables], timeout=180))

    def remove(self) -> Run:
        """Run `playbooks/remove.yml`."""
        return succeed(playbook("remove", {"vm_set": self.kubernetes.vm_set, "confirm": "yes"}, timeout=180))
