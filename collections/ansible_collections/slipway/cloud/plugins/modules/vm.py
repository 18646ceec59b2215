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
  launcher:
    description: The program C(vm-launcher) of the role C(vm).
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
    default: 60
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
    state: poweroff
"""

RETURN = r"""
seconds:
  description: The time from the start of the module until the VM answered.
  returned: when O(state) is V(started)
  type: float
"""

import contextlib
import fcntl
import ipaddress
import os
import pathlib
import shutil
import socket
import subprocess
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._space import SpaceError, require_space
from ..module_utils._vm import File, Machine, data_name, nspawn_command
from ..module_utils._vm_process import Processes, StillAlive

# Measured: a node's images and containers take 1.1 to 1.6 GB.
_NEED_MIB = 3000
_CONSOLE_LINES = 15


class VmError(Exception):
    """A VM that is not as it was asked to be; the message says which, why and what to do."""


def write(root: pathlib.Path, path: str, file: File) -> bool:
    """Give a file of a VM its content, mode or target; return whether it was changed."""
    place = root / path.lstrip("/")
    if _same(place, file):
        return False
    place.parent.mkdir(mode=0o700 if path.startswith("/root/") else 0o755, parents=True, exist_ok=True)
    staging = place.with_name(f".{place.name}.new")
    staging.unlink(missing_ok=True)
    if file.target:
        staging.symlink_to(file.target)
    else:
        staging.touch(mode=0o600)
        staging.write_text(file.content, encoding="utf-8")
        staging.chmod(file.mode)
    staging.rename(place)
    return True


def _same(place: pathlib.Path, file: File) -> bool:
    try:
        if file.target:
            return os.readlink(place) == file.target
        return place.stat().st_mode & 0o7777 == file.mode and place.read_text(encoding="utf-8") == file.content
    except OSError:
        return False


class Keys:
    """What a set needs for SSH: the pair that logs in, the host key of its VMs, and who may show that."""

    def __init__(self, module: AnsibleModule, directory: pathlib.Path) -> None:
        self._module = module
        self._directory = directory

    def make(self, hosts: str) -> None:
        """Make all of it, unless it is there; ``hosts`` are the patterns of known_hosts."""
        self._directory.parent.mkdir(parents=True, exist_ok=True)
        with locked(self._directory.parent / ".ssh.lock"):
            if self._directory.exists():
                return
            staging = self._directory.with_name(".ssh.new")
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(mode=0o700)
            for name in ("id_ed25519", "ssh_host_ed25519_key"):
                command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "slipway", "-f", str(staging / name)]
                self._module.run_command(command, check_rc=True)
            host_key = (staging / "ssh_host_ed25519_key.pub").read_text(encoding="utf-8")
            (staging / "known_hosts").write_text(f"{hosts} {host_key}", encoding="utf-8")
            staging.rename(self._directory)

    def read(self, name: str) -> str:
        """Return the text of one of its files."""
        return (self._directory / name).read_text(encoding="utf-8")

    def disconnect(self, host: str) -> None:
        """End the shared connection that Ansible keeps open to a VM."""
        control = self._directory / host
        if control.exists():
            self._module.run_command(["ssh", "-o", f"ControlPath={control}", "-O", "exit", host])
            control.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: pathlib.Path) -> t.Iterator[None]:
    """Hold an exclusive lock on a file, which is made if it is missing."""
    with open(path, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Vm:
    """One VM, from its disk to its last process."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._params: dict[str, t.Any] = module.params
        self._name: str = module.params["name"]
        self._directory = pathlib.Path(module.params["directory"])
        self._keys = Keys(module, pathlib.Path(module.params["ssh_directory"]))
        self._processes = Processes(self._name)
        self._launched: subprocess.Popen[bytes] | None = None

    # What is there

    @property
    def exists(self) -> bool:
        """Whether anything of the VM's disk is there."""
        return self._directory.exists()

    @property
    def alive(self) -> bool:
        """Whether anything of the VM runs."""
        return bool(self._processes.all)

    @property
    def running(self) -> bool:
        """Whether the VM runs and would be started again after a reboot."""
        return self._processes.complete

    # States

    def present(self) -> bool:
        """Make the VM's disk; return whether anything was changed."""
        network = ipaddress.ip_interface(self._params["address"])
        prefix = self._name.rstrip("0123456789")
        self._keys.make(f"{str(network.network.network_address).rpartition('.')[0]}.*,{prefix}*")
        return any([self._make_disk(), *self._write_files()])

    def started(self) -> bool:
        """Have the VM run and answer; return whether anything was changed."""
        if not self.running:
            self.poweroff()
        changed = self.present()
        if not self.running:
            self._launch()
            changed = True
        self._await_ssh()
        return changed

    def poweroff(self) -> bool:
        """Pull the plug, and remove what a dead VM leaves behind; return whether it was running."""
        alive = self.alive
        self._processes.kill()
        if self._params["launcher"]:
            self._module.run_command([self._params["launcher"], "clean", self._name], check_rc=True)
        device = f"vb-{self._name}"
        if pathlib.Path("/sys/class/net", device).exists():
            self._module.run_command(["ip", "link", "delete", device])
        if self._params["address"]:
            self._keys.disconnect(self._params["address"].partition("/")[0])
        return alive

    def absent(self) -> bool:
        """Leave nothing of the VM; return whether there was anything."""
        changed = self.poweroff() or self.exists
        if self.exists:
            shutil.rmtree(self._directory)
        return changed

    # Steps

    def _make_disk(self) -> bool:
        link = self._directory / "base"
        if link.is_symlink() and not link.exists():
            self._module.warn(f"VM {self._name} is made anew: its base {os.readlink(link)} is gone.")
            shutil.rmtree(self._directory)
        if link.is_symlink():
            if os.readlink(link) != self._params["base"]:
                self._module.warn(f"VM {self._name} keeps its base {os.readlink(link)}; remove it to use the new one.")
        else:
            require_space(str(self._directory.parent), _NEED_MIB, f"VM {self._name}")
        data = [self._directory / "data" / data_name(path) for path in self._params["data"]]
        missing = [path for path in (*map(self._directory.joinpath, ("upper", "work", "root")), *data) if not path.is_dir()]
        for path in missing:
            path.mkdir(parents=True)
        if not link.is_symlink():
            link.symlink_to(self._params["base"])
        return bool(missing)

    def _write_files(self) -> list[bool]:
        machine = Machine(
            name=self._name,
            address=t.cast(ipaddress.IPv4Interface, ipaddress.ip_interface(self._params["address"])),
            gateway=self._params["gateway"],
            resolv_conf=self._params["resolv_conf"],
            authorized_key=self._keys.read("id_ed25519.pub"),
            host_key=self._keys.read("ssh_host_ed25519_key"),
        )
        init = self._processes.init
        # An upper layer must not be changed below a mounted overlay.
        root = pathlib.Path(f"/proc/{init}/root") if init else self._directory / "upper"
        return [write(root, path, file) for path, file in machine.files().items()]

    def _launch(self) -> None:
        for source in self._params["read_only"].values():
            pathlib.Path(source).mkdir(parents=True, exist_ok=True)
        command = nspawn_command(
            nspawn=self._module.get_bin_path("systemd-nspawn", required=True),
            name=self._name,
            directory=str(self._directory / "root"),
            bridge=self._params["bridge"],
            binds={path: str(self._directory / "data" / data_name(path)) for path in self._params["data"]},
            read_only=self._params["read_only"],
        )
        run = [self._params["launcher"], "run", self._name, str(self._directory)]
        with open(self._directory / "console.log", "wb") as console:
            self._launched = subprocess.Popen(
                ["unshare", "--mount", *run, *command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                cwd="/",
                env={**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"},
            )

    def _await_ssh(self) -> None:
        """Return when sshd shows its banner.

        An address that nobody has takes the kernel 0.3 s to find out (see vm_network), so this is no busy loop.
        """
        address = self._params["address"].partition("/")[0]
        deadline = time.monotonic() + self._params["timeout"]
        while not _banner(address):
            if time.monotonic() > deadline:
                raise VmError(self._explain(f"does not answer at {address}:22 within {self._params['timeout']} s"))
            if self._ended():
                raise VmError(self._explain("ended before it answered"))

    def _ended(self) -> bool:
        return self._launched.poll() is not None if self._launched else not self.alive

    def _explain(self, what: str) -> str:
        console = self._directory / "console.log"
        text = console.read_text(encoding="utf-8", errors="replace") if console.exists() else ""
        lines = "\n".join(text.splitlines()[-_CONSOLE_LINES:])
        return f"VM {self._name} {what}. Its console, {console}, ends with:\n{lines}"


def _banner(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1.0) as connection:
            return connection.recv(4) == b"SSH-"
    except ConnectionRefusedError:
        # The VM is up and sshd is about to be.
        time.sleep(0.02)
    except OSError:
        pass
    return False


def predict(vm: Vm, state: str) -> bool:
    """Return whether a state would need a change, for check mode."""
    return {
        "absent": vm.exists or vm.alive,
        "poweroff": vm.alive,
        "present": not vm.exists,
        "started": not vm.running,
    }[state]


def main() -> None:
    made = ("base", "launcher", "bridge", "address", "gateway", "resolv_conf")
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "ssh_directory": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["absent", "poweroff", "present", "started"], "default": "started"},
            "base": {"type": "path"},
            "launcher": {"type": "path"},
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
            "timeout": {"type": "int", "default": 60},
        },
        required_if=[("state", state, made) for state in ("present", "started")],
        supports_check_mode=True,
    )
    if os.geteuid() != 0:
        module.fail_json(msg="VMs can only be run by root: run this as root.")
    vm, state = Vm(module), module.params["state"]
    if module.check_mode:
        module.exit_json(changed=predict(vm, state))
    begin = time.monotonic()
    directory = pathlib.Path(module.params["directory"])
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        with locked(directory.parent / f".{directory.name}.lock"):
            changed = getattr(vm, state)()
    except (VmError, SpaceError, StillAlive) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, seconds=round(time.monotonic() - begin, 3))


if __name__ == "__main__":
    main()
