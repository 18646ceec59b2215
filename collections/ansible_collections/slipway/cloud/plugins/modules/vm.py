# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: A throw-away VM on this machine
description:
  - Runs a machine with systemd and sshd in C(systemd-nspawn), with its own network address, cgroups and disk.
  - The disk is an overlay over a root file system that VMs share; directories that cannot be on an overlay are on this
    machine's disk.
  - This machine's limits of inotify, which all VMs share, are raised where they are too low for several.
  - A VM is started again when it reboots. What a killed run left behind is put right by the next.
options:
  name:
    description: The VM's name; a number at its end tells the VMs of a set apart.
    type: str
    required: true
  directory:
    description: The directory that holds the VM's disk, console and lock.
    type: path
    required: true
  ssh_directory:
    description:
      - The directory of the key pair that logs in, the VMs' host key and the C(known_hosts) that vouches for it.
      - Made if it is missing.
    type: path
    required: true
  launcher:
    description: The program C(vm-launcher) of the role C(vm).
    type: path
    required: true
  state:
    description:
      - V(present) has a disk, V(started) answers on its SSH port, V(absent) has left nothing behind.
      - V(poweroff) is ended as if the plug were pulled.
    type: str
    choices: [absent, poweroff, present, started]
    default: started
  base:
    description:
      - The root file system to start from. It must not change while a VM uses it.
      - A VM that exists keeps the one it was made from.
    type: path
  bridge:
    description: The bridge that the VM is connected to.
    type: str
  address:
    description: The VM's address and prefix length.
    type: str
  gateway:
    description: The address of the default route.
    type: str
  resolv_conf:
    description: The content of C(/etc/resolv.conf).
    type: str
  data:
    description: Directories of the VM that are kept on this machine's disk rather than on the overlay.
    type: list
    elements: str
    default: [/var/lib/containerd, /var/lib/etcd, /var/lib/kubelet]
  read_only:
    description: Directories of this machine that the VM can read, by their path in the VM.
    type: dict
    default: {}
  timeout:
    description: Seconds within which a started VM must answer on its SSH port.
    type: int
    default: 120
attributes:
  check_mode:
    support: full
    description: Says whether anything would be changed.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Pull the plug of a VM
  slipway.cloud.vm:
    name: node2
    directory: /root/.cache/slipway/vms/main/node2
    ssh_directory: /root/.cache/slipway/vms/main/ssh
    launcher: /opt/slipway/roles/vm/files/vm-launcher
    state: poweroff
"""

RETURN = r"""
seconds:
  description: The time that it took, for V(started) until the VM answered.
  returned: success, not in check mode
  type: float
"""

import ipaddress
import os
import pathlib
import socket
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._space import SpaceError
from ..module_utils._vm import HOST_LIMITS, Machine, nspawn_command
from ..module_utils._vm_disk import Disk, Keys, locked
from ..module_utils._vm_process import Processes, StillAliveError

_CONSOLE_LINES = 15
_DISK_OPTIONS = ("address", "base", "bridge", "gateway", "resolv_conf")


class VmError(Exception):
    """A VM that is not as it was asked to be; the message says which, why and what to look at."""


class Vm:
    """One VM, from its disk to its last process. Each state is a method, which returns whether it changed anything."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._params: dict[str, t.Any] = module.params
        self._name: str = module.params["name"]
        self._disk = Disk(pathlib.Path(module.params["directory"]))
        self._keys = Keys(pathlib.Path(module.params["ssh_directory"]))
        self._processes = Processes(self._name)

    @property
    def _interface(self) -> ipaddress.IPv4Interface:
        return ipaddress.IPv4Interface(self._params["address"])

    @property
    def _device(self) -> pathlib.Path:
        """This machine's end of the VM's cable, as systemd-nspawn names it."""
        return pathlib.Path("/sys/class/net", f"vb-{self._name}")

    @property
    def _unplugged(self) -> bool:
        """Whether the bridge was made anew since the VM was started."""
        return self._device.exists() and not (self._device / "master").exists()

    def would_change(self, state: str) -> bool:
        """Whether a state would need a change, for check mode."""
        alive = bool(self._processes.all)
        return {
            "absent": self._disk.exists or alive,
            "poweroff": alive,
            "present": not self._disk.exists,
            "started": not self._processes.complete,
        }[state]

    def present(self) -> bool:
        """Have a disk and what makes it this VM's."""
        if self._disk.orphaned:
            self._module.warn(f"VM {self._name} is made anew, since its base {self._disk.base} is gone.")
            self._disk.remove()
        elif self._disk.base not in (None, self._params["base"]):
            self._module.warn(f"VM {self._name} keeps its base {self._disk.base}: remove it to get the new one.")
        self._keys.make(f"{self._interface.network.network_address.exploded.removesuffix('.0')}.*")
        made = self._disk.make(self._params["base"], self._params["data"])
        return self._disk.write(self._machine().files(), init=self._processes.init) or made

    def started(self) -> bool:
        """Have the VM run and answer."""
        running = self._processes.complete
        if not running:
            self.poweroff()
        changed = self.present()
        if not running:
            self._launch()
        elif self._unplugged:
            self._run("ip", "link", "set", self._device.name, "master", self._params["bridge"])
            changed = True
        self._await_ssh()
        return changed or not running

    def poweroff(self) -> bool:
        """Have nothing of the VM run, as if the plug were pulled, and nothing left of what ran."""
        alive = bool(self._processes.all)
        self._processes.kill()
        self._run(self._params["launcher"], "clean", self._name)
        self._unplug()
        self._keys.disconnect(self._name)
        return alive

    def _unplug(self) -> None:
        """Remove this machine's end of the cable. The kernel does so too, soon after the VM's death."""
        if self._device.name in _devices():
            code, _output, error = self._module.run_command(["ip", "link", "delete", self._device.name])
            if code and self._device.name in _devices():
                raise VmError(f"Cannot remove the network device {self._device.name}: {error.strip()}")

    def absent(self) -> bool:
        """Have nothing of the VM at all."""
        changed = self.would_change("absent")
        self.poweroff()
        self._disk.remove()
        return changed

    def _run(self, *command: str) -> None:
        self._module.run_command(list(command), check_rc=True)

    def _machine(self) -> Machine:
        return Machine(
            name=self._name,
            address=self._interface,
            gateway=self._params["gateway"],
            resolv_conf=self._params["resolv_conf"],
            authorized_key=self._keys.read("id_ed25519.pub"),
            host_key=self._keys.read("ssh_host_ed25519_key"),
        )

    def _launch(self) -> None:
        _raise_limits()
        for source in self._params["read_only"].values():
            pathlib.Path(source).mkdir(parents=True, exist_ok=True)
        directory = self._disk.directory
        command = nspawn_command(
            nspawn=self._module.get_bin_path("systemd-nspawn", required=True),
            name=self._name,
            directory=str(directory / "root"),
            bridge=self._params["bridge"],
            binds=self._disk.binds(self._params["data"]),
            read_only=self._params["read_only"],
        )
        run = ["unshare", "--mount", self._params["launcher"], "run", self._name, str(directory)]
        self._processes.launch([*run, *command], directory / "console.log")

    def _await_ssh(self) -> None:
        """Return when sshd shows its banner.

        That nobody has the address takes the kernel 0.3 s to find out (see vm_network), so this is no busy loop.
        """
        address = str(self._interface.ip)
        deadline = time.monotonic() + self._params["timeout"]
        while not _shows_banner(address):
            if time.monotonic() > deadline:
                raise VmError(self._explain(f"does not answer at {address}:22 within {self._params['timeout']} s"))
            if self._processes.ended:
                raise VmError(self._explain("ended before it answered"))

    def _explain(self, what: str) -> str:
        console = self._disk.directory / "console.log"
        text = console.read_text(encoding="utf-8", errors="replace") if console.exists() else ""
        lines = "\n".join([line for line in text.splitlines() if line.strip()][-_CONSOLE_LINES:])
        return f"VM {self._name} {what}. Its console, {console}, ends with:\n{lines}"


def _devices() -> list[str]:
    return [name for _index, name in socket.if_nameindex()]


def _raise_limits() -> None:
    for path, least in HOST_LIMITS.items():
        limit = pathlib.Path(path)
        if int(limit.read_text(encoding="ascii")) < least:
            limit.write_text(str(least), encoding="ascii")


def _shows_banner(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1.0) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        time.sleep(0.02)  # refused: sshd is about to listen
    return False


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "ssh_directory": {"type": "path", "required": True},
            "launcher": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["absent", "poweroff", "present", "started"], "default": "started"},
            "base": {"type": "path"},
            "bridge": {"type": "str"},
            "address": {"type": "str"},
            "gateway": {"type": "str"},
            "resolv_conf": {"type": "str"},
            "data": {
                "type": "list",
                "elements": "str",
                "default": ["/var/lib/containerd", "/var/lib/etcd", "/var/lib/kubelet"],
            },
            "read_only": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 120},
        },
        required_if=[("state", state, _DISK_OPTIONS) for state in ("present", "started")],
        supports_check_mode=True,
    )
    if os.geteuid() != 0:
        module.fail_json(msg="VMs can only be run by root: run this as root.")
    vm, state = Vm(module), module.params["state"]
    if module.check_mode:
        module.exit_json(changed=vm.would_change(state))

    begin = time.monotonic()
    os.umask(0o022)  # the directories of the upper layer are those of the VM
    directory = pathlib.Path(module.params["directory"])
    if state in ("present", "started"):
        directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        with locked(directory.parent / f".{directory.name}.lock"):
            changed = getattr(vm, state)()
    except (VmError, SpaceError, StillAliveError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, seconds=round(time.monotonic() - begin, 3))


if __name__ == "__main__":
    main()
