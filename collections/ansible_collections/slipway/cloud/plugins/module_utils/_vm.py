# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is PRIVATE to the collection: it can have breaking changes at any time.
"""What a throw-away VM is made of: the files that make it this one, and the command that runs it."""

from __future__ import annotations

import dataclasses
import typing as t
import uuid

if t.TYPE_CHECKING:
    import ipaddress

# Every address of a set from the first node to the last possible one is named, so that adding a VM changes no other.
_NODES = range(1, 11)

# What VMs share with this machine and with each other, since all their processes are its root's. The usual 128
# instances are enough for one Kubernetes of three nodes; then systemd-udevd of the next VM fails, and so its network.
HOST_LIMITS = {
    "/proc/sys/fs/inotify/max_user_instances": 8192,
    "/proc/sys/fs/inotify/max_user_watches": 1048576,
}

_SYSTEMD = "/etc/systemd/system"
# What only a machine with disks of its own and a long life needs.
_MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
)
_LINKS = {
    f"{_SYSTEMD}/sysinit.target.wants/slipway-cgroups.service": "../slipway-cgroups.service",
    f"{_SYSTEMD}/multi-user.target.wants/systemd-networkd.service": "/lib/systemd/system/systemd-networkd.service",
    f"{_SYSTEMD}/sockets.target.wants/systemd-networkd.socket": "/lib/systemd/system/systemd-networkd.socket",
    f"{_SYSTEMD}/network-online.target.wants/systemd-networkd-wait-online.service": (
        "/lib/systemd/system/systemd-networkd-wait-online.service"
    ),
    **{f"{_SYSTEMD}/{unit}": "/dev/null" for unit in _MASKED},
}

# systemd-nspawn mounts the controllers of cgroup v1 read-only. With cgroup v2 there is none to be remounted.
_CGROUPS_UNIT = """\
[Unit]
Description=Make the cgroup v1 controllers writable
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'findmnt --raw --noheadings --types cgroup --output TARGET | xargs -r -n1 mount -o remount,bind,rw'
"""
# Only the network devices are the VM's own; the usual trigger announces every device of this machine again.
_UDEV = """\
[Service]
ExecStart=
ExecStart=udevadm trigger --action=add --subsystem-match=net
"""
_NETWORK = """\
[Match]
Name=host0

[Network]
Address={address}/{prefix_length}
Gateway={gateway}
LinkLocalAddressing=no
IPv6AcceptRA=no
"""
# Of a machine that was just installed: a network namespace begins with what its host has at that moment.
_SYSCTL = "net.ipv4.ip_forward = 0\n"
# The routes between nodes are the pod network's.
_NETWORKD = """\
[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
"""
_SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
UseDNS no
"""


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a VM: its content, or the target of a symbolic link. An initial one is the VM's own from then on."""

    content: str = ""
    mode: int = 0o644
    target: str = ""
    initial: bool = False


@dataclasses.dataclass(frozen=True)
class Machine:
    """What tells one VM from another."""

    name: str
    address: ipaddress.IPv4Interface
    gateway: str
    resolv_conf: str
    authorized_key: str
    host_key: str

    def hosts(self) -> str:
        """The file /etc/hosts, with every node that the set can have."""
        prefix = self.name.rstrip("0123456789")
        network = self.address.network.network_address
        nodes = "".join(f"{network + 10 + n} {prefix}{n}\n" for n in _NODES)
        return f"127.0.0.1 localhost\n::1 localhost\n{nodes}"

    def files(self) -> dict[str, File]:
        """Return the files that differ from the base, by path."""
        network = _NETWORK.format(
            address=self.address.ip, prefix_length=self.address.network.prefixlen, gateway=self.gateway
        )
        return {
            "/etc/hostname": File(f"{self.name}\n"),
            "/etc/hosts": File(self.hosts(), initial=True),
            "/etc/machine-id": File(f"{uuid.uuid5(uuid.NAMESPACE_DNS, self.name).hex}\n", 0o444),
            "/etc/resolv.conf": File(self.resolv_conf),
            "/etc/ssh/ssh_host_ed25519_key": File(self.host_key, 0o600),
            "/etc/ssh/sshd_config.d/slipway.conf": File(_SSHD),
            "/etc/sysctl.d/10-vm.conf": File(_SYSCTL),
            "/etc/systemd/network/10-host0.network": File(network),
            "/etc/systemd/networkd.conf.d/slipway.conf": File(_NETWORKD),
            f"{_SYSTEMD}/slipway-cgroups.service": File(_CGROUPS_UNIT),
            f"{_SYSTEMD}/systemd-udev-trigger.service.d/slipway.conf": File(_UDEV),
            "/root/.ssh/authorized_keys": File(self.authorized_key, 0o600),
            **{path: File(target=target) for path, target in _LINKS.items()},
        }


def data_name(path: str) -> str:
    """Return the name of the directory on this machine's disk that holds a VM's ``path``."""
    return path.strip("/").replace("/", "-")


def nspawn_command(
    *, nspawn: str, name: str, directory: str, bridge: str, binds: t.Mapping[str, str], read_only: t.Mapping[str, str]
) -> list[str]:
    """Return the command that boots a VM in the foreground.

    :param binds: paths in the VM -> writable directories of this machine.
    :param read_only: paths in the VM -> directories of this machine that the VM can only read.
    """
    return [
        nspawn,
        "--quiet",
        f"--directory={directory}",
        f"--machine={name}",
        "--boot",
        "--register=no",
        "--keep-unit",
        f"--network-bridge={bridge}",
        "--capability=all",
        "--private-users=no",
        "--system-call-filter=@known bpf keyctl add_key request_key perf_event_open",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
        "--setenv=TERM=dumb",
        "--bind=/dev/kmsg",
        *(f"--bind={source}:{path}" for path, source in binds.items()),
        *(f"--bind-ro={source}:{path}" for path, source in read_only.items()),
    ]
