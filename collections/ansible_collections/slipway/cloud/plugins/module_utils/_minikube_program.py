# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""Brings the Kubernetes of a minikube program into a state; the decisions are those of :mod:`._minikube`.

Runs on nodes: the standard library of Python 3.10 only.
"""

from __future__ import annotations

import json
import os
import socket
import time
import typing as t
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ._minikube import (
    API_PORT,
    PROFILE,
    STORAGE_ADDONS,
    Machine,
    MinikubeError,
    Record,
    Settings,
    Status,
    failure,
    not_ready,
    parse_addons,
    parse_status,
    problems,
    start_flags,
)
from ._minikube_cache import plant
from ._minikube_traces import Traces, holds_contexts

_CLAIM_NAME = "slipway-minikube"
_CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": _CLAIM_NAME},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
}
_UNITS = ("containerd", "kubelet")


@dataclass(frozen=True)
class Outcome:
    """What was done, or would be."""

    actions: list[str]
    flags: list[str] | None = None
    before: list[str] = field(default_factory=list)

    def as_result(self) -> dict[str, t.Any]:
        """Return the module's result."""
        if self.flags is None:
            return {"actions": self.actions}
        diff = {"before": "\n".join([*self.before, ""]), "after": "\n".join([*self.flags, ""])}
        return {"actions": self.actions, "flags": self.flags, "diff": diff}


class Program:
    """The minikube of one user.

    ``run`` is AnsibleModule.run_command. Every command that changes something is noted in ``actions``; in check mode it
    is only that.
    """

    def __init__(
        self, *, run: t.Callable[..., tuple[int, str, str]], program: str, home: str | None, check_mode: bool
    ) -> None:
        self._run = run
        self._program = program
        self._home = Path(home) if home else Path.home()
        self._record = self._home / ".minikube" / "profiles" / PROFILE / "slipway.json"
        self._cache = self._home / ".minikube" / "cache"
        self._kubeconfig = Path.home() / ".kube" / "config"
        self._environment = {
            "KUBECONFIG": str(self._kubeconfig),
            "MINIKUBE_HOME": str(self._home),
            "MINIKUBE_IN_STYLE": "false",
            "MINIKUBE_WANTUPDATENOTIFICATION": "false",
        }
        self.check_mode = check_mode
        self.actions: list[str] = []

    def ask(self, *arguments: str, data: str | None = None) -> tuple[int, str, str]:
        """Run minikube for what it says."""
        return self._run([self._program, *arguments], environ_update=self._environment, data=data)

    def kubectl(self, *arguments: str, data: str | None = None) -> tuple[int, str, str]:
        """Run the kubectl of minikube's cache."""
        return self.ask("kubectl", "--", *arguments, f"--context={PROFILE}", "--namespace=kube-system", data=data)

    def act(self, *arguments: str, name: str = "") -> None:
        """Have minikube change something; ``name`` is what that is called. :raises MinikubeError:"""
        action = name or " ".join(arguments)
        self.actions.append(action)
        if not self.check_mode:
            code, stdout, stderr = self.ask(*arguments)
            if code:
                raise MinikubeError(failure(action, code=code, stdout=stdout, stderr=stderr))

    def system(self, *command: str) -> None:
        """Have another program change something. :raises MinikubeError:"""
        self.actions.append(" ".join(command))
        if not self.check_mode:
            code, stdout, stderr = self._run(list(command))
            if code:
                raise MinikubeError(f"{' '.join(command)} ended with {code}: {(stderr or stdout).strip()}")

    def status(self) -> Status:
        """Ask whether there is a Kubernetes, and whether it runs."""
        code, stdout, _stderr = self.ask("status", "--output=json")
        return parse_status(code, stdout)

    def settled_status(self, deadline: float) -> Status:
        """Ask until nothing is about to start by itself, as after a reboot."""
        while (status := self.status()).starting and time.monotonic() < deadline:
            time.sleep(1)
        return status

    def addons(self) -> dict[str, bool]:
        """Ask for the add-ons that there are, and which are on."""
        code, stdout, stderr = self.ask("addons", "list", "--output=json")
        if code:
            raise MinikubeError(failure("addons list", code=code, stdout=stdout, stderr=stderr))
        return parse_addons(stdout)

    def read_record(self) -> Record:
        """Return what it was started with; minikube deletes the note together with the rest of the profile."""
        with suppress(FileNotFoundError):
            return Record.from_json(self._record.read_text(encoding="utf-8"))
        return Record()

    def write_record(self, record: Record) -> None:
        """Note what it was started with."""
        if not self.check_mode:
            self._record.write_text(record.to_json(), encoding="utf-8")

    def seed(self, seeds: t.Mapping[str, str], version: str) -> None:
        """Have programs of Kubernetes in the cache, each of the sha256 that is said. :raises MinikubeError:"""
        for name in plant(seeds, self._cache, version=version, check_mode=self.check_mode):
            self.actions.append(f"seed {name}")

    def remove_empty_kubeconfig(self) -> None:
        """Remove the kubeconfig if minikube took out all that it held."""
        if not self._kubeconfig.is_file() or holds_contexts(self._kubeconfig.read_text(encoding="utf-8")):
            return
        self.actions.append(f"remove {self._kubeconfig}")
        if not self.check_mode:
            self._kubeconfig.unlink()

    def unit_is_enabled(self, unit: str) -> bool:
        """Say whether a unit starts with the machine."""
        return self._run(["systemctl", "is-enabled", "--quiet", unit])[0] == 0

    def missing(self, addons: t.Collection[str]) -> list[str]:
        """Return what is not ready in the Kubernetes, or why it does not answer."""
        code, stdout, stderr = self.kubectl(
            "get", "nodes,pods,storageclasses", "--output=json", "--request-timeout=10s"
        )
        return not_ready(json.loads(stdout)["items"], addons) if code == 0 else [stderr.strip()]

    def bind_claim(self, seconds: int) -> None:
        """Have a PersistentVolumeClaim bound, and take it away again. :raises MinikubeError: if it is not."""
        claim = f"pvc/{_CLAIM_NAME}"
        bound = ["wait", claim, "--for=jsonpath={.status.phase}=Bound", f"--timeout={seconds}s"]
        try:
            self._on_claims("apply", "--filename=-", data=json.dumps(_CLAIM))
            self._on_claims(*bound)
        finally:
            self._on_claims("delete", claim, "--ignore-not-found")

    def _on_claims(self, *arguments: str, data: str | None = None) -> None:
        code, _stdout, stderr = self.kubectl(*arguments, data=data)
        if code:
            raise MinikubeError(
                f"minikube is done, but no PersistentVolumeClaim is bound: {stderr.strip()}. See what became of its "
                "add-on: kubectl -n kube-system describe pod storage-provisioner."
            )


def ensure_started(program: Program, settings: Settings, *, seeds: t.Mapping[str, str], timeout: int) -> Outcome:
    """Have it run with these settings and prove that it works. :raises MinikubeError:"""
    deadline = time.monotonic() + timeout
    known = program.addons()
    status = program.settled_status(deadline)
    _refuse(settings, status, known)
    program.seed(seeds, settings.kubernetes_version)
    record = program.read_record()
    wanted = Record(start_flags(settings), proven=record.proven)
    if status.running:
        _disable_others(program, settings, known)
    if not status.running or record.flags != wanted.flags:
        program.act("start", *wanted.flags, f"--wait-timeout={timeout}s", "--output=json", name="start")
        wanted = Record(wanted.flags)
        known = {} if program.check_mode else program.addons()
    for addon in settings.addons:
        if not known.get(addon):
            program.act("addons", "enable", addon)
            wanted = Record(wanted.flags)
    if settings.driver == "none":
        _enable_units(program)
    if not program.check_mode:
        _prove(program, settings, wanted, timeout=timeout)
    return Outcome(program.actions, wanted.flags, record.flags)


def ensure_stopped(program: Program, *, driver: str) -> Outcome:
    """Have it stopped, also after the next start of the machine. :raises MinikubeError:"""
    status = program.status()
    if status.running or status.starting:
        program.act("stop", "--output=json", name="stop")
    if status.exists and driver == "none" and program.unit_is_enabled("kubelet"):
        program.system("systemctl", "disable", "kubelet")
    return Outcome(program.actions)


def ensure_absent(program: Program, *, driver: str) -> Outcome:
    """Have nothing of it. :raises MinikubeError:"""
    if program.status().exists:
        program.act("delete", "--output=json", name="delete")
        program.remove_empty_kubeconfig()
    if driver == "none":
        Traces(program.system, check_mode=program.check_mode, note=program.actions.append).remove()
    return Outcome(program.actions)


def _refuse(settings: Settings, status: Status, known: t.Collection[str]) -> None:
    machine = Machine(
        cpus=os.cpu_count() or 1, root=os.geteuid() == 0, port_taken=not status.exists and _listens(API_PORT)
    )
    if found := problems(settings, machine, known):
        raise MinikubeError(" ".join(found))


def _listens(port: int) -> bool:
    """Say whether something listens on a port of this machine, on whichever of its addresses."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("::", port))
        except OSError:
            return True
    return False


def _disable_others(program: Program, settings: Settings, known: t.Mapping[str, bool]) -> None:
    for addon, enabled in known.items():
        if enabled and addon not in settings.addons:
            program.act("addons", "disable", addon)


def _enable_units(program: Program) -> None:
    """Have a reboot bring everything back; minikube leaves the kubelet disabled."""
    for unit in _UNITS:
        if not program.unit_is_enabled(unit):
            program.system("systemctl", "enable", unit)


def _prove(program: Program, settings: Settings, record: Record, *, timeout: int) -> None:
    """Wait until all is ready and, once, until a claim is bound; then note it. :raises MinikubeError:"""
    deadline = time.monotonic() + timeout
    while (missing := program.missing(settings.addons)) and time.monotonic() < deadline:
        time.sleep(1)
    if missing:
        raise MinikubeError(f"minikube is done, but after {timeout} s not everything is ready: {'; '.join(missing)}")
    if not record.proven and set(STORAGE_ADDONS) <= set(settings.addons):
        program.bind_claim(timeout)
    program.write_record(Record(record.flags, proven=True))
