# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_network
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: The bridge of a set of throw-away VMs
description:
  - Makes a bridge with the gateway's address, and the packet rules by which VMs reach each other on any machine.
  - Refuses a subnet that this machine already uses for something else, and a device that is not such a bridge.
  - What it adds carries the bridge's name; V(absent) removes exactly that. IP forwarding, once on, is left on.
options:
  bridge:
    description: The name of the bridge.
    type: str
    required: true
  subnet:
    description: The subnet of the VMs.
    type: str
    required: true
  gateway:
    description: This machine's address in O(subnet).
    type: str
    required: true
  internet:
    description:
      - Whether VMs reach what is beyond the bridge, behind this machine's address and with its resolver.
      - Otherwise they are refused at once, by their resolver too.
    type: bool
    default: false
  state:
    description: Whether the network is there.
    type: str
    choices: [absent, present]
    default: present
attributes:
  check_mode:
    support: full
    description: Says whether anything would be changed.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Connect VMs
  slipway.cloud.vm_network:
    bridge: slipway-x
    subnet: 10.77.24.0/24
    gateway: 10.77.24.1
"""

RETURN = r"""
resolv_conf:
  description: The content of the VMs' C(/etc/resolv.conf).
  returned: when O(state) is V(present)
  type: str
  sample: |
    nameserver 10.77.24.1
"""

import ipaddress
import json
import os
import pathlib
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._vm_network import Rule, hardware_address, overlapping, own_rules, resolvers, rules

# The second is the list of real servers where the first names only systemd-resolved on loopback.
_RESOLV_CONF = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
# The kernel limits how many refusals it sends: without one, whoever asks for a name is not to wait for long.
_NO_PATIENCE = "options timeout:1 attempts:1\n"
_IPV4 = pathlib.Path("/proc/sys/net/ipv4")
_CHAINS = (("filter", "FORWARD"), ("nat", "POSTROUTING"))


class Network:
    """The bridge of one set and its packet rules."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._bridge: str = module.params["bridge"]
        self._subnet: str = module.params["subnet"]
        self._internet: bool = module.params["internet"]
        prefix_length = ipaddress.ip_network(self._subnet).prefixlen
        self._address = f"{module.params['gateway']}/{prefix_length}"
        self._rules = rules(self._bridge, self._subnet, internet=self._internet)
        self._links = self._ip("address", "show")

    def _run(self, *command: str) -> str:
        output = self._module.run_command(list(command), check_rc=True)[1]
        return str(output)

    def _ip(self, *arguments: str) -> list[dict[str, t.Any]]:
        output = self._run("ip", "-json", "-details", *arguments)
        return t.cast(list[dict[str, t.Any]], json.loads(output or "[]"))

    @property
    def _link(self) -> dict[str, t.Any] | None:
        return next((link for link in self._links if link.get("ifname") == self._bridge), None)

    @property
    def exists(self) -> bool:
        """Whether the bridge is there, with its address."""
        addresses = [f"{a['local']}/{a['prefixlen']}" for a in (self._link or {}).get("addr_info", [])]
        return self._address in addresses

    def conflict(self) -> str | None:
        """Return what keeps the bridge from being made, as a message."""
        kind = (self._link or {}).get("linkinfo", {}).get("info_kind", "")
        if self._link and kind != "bridge":
            return f"The device {self._bridge} is not a bridge: rename it, or use another vm_set."
        others = [
            route for route in self._ip("-4", "route", "show", "table", "all") if route.get("dev") != self._bridge
        ]
        routes = [route["dst"] for route in others if route["dst"] != "default" and route.get("type") != "broadcast"]
        if taken := overlapping(self._subnet, routes):
            return f"The subnet {self._subnet} is in use on this machine ({', '.join(taken)}): use another vm_set."
        if self._internet and not self.nameservers:
            return (
                f"VMs can reach no resolver of this machine ({_RESOLV_CONF[0]}): name one there, or set no vm_internet."
            )
        return None

    @property
    def nameservers(self) -> list[str]:
        """The addresses that VMs ask for names: the bridge's own, where nothing listens, refuses at once."""
        if not self._internet:
            return [self._module.params["gateway"]]
        texts = [path.read_text(encoding="utf-8") for path in map(pathlib.Path, _RESOLV_CONF) if path.exists()]
        return next(filter(None, map(resolvers, texts)), [])

    def _own_rules(self) -> list[tuple[str, tuple[str, ...]]]:
        return [
            (table, rule)
            for table, chain in _CHAINS
            for rule in own_rules(self._run("iptables", "-w", "-t", table, "-S", chain), self._bridge)
        ]

    def _has_rule(self, rule: Rule) -> bool:
        table, chain, arguments = rule
        status = self._module.run_command(["iptables", "-w", "-t", table, "-C", chain, *arguments])[0]
        return bool(status == 0)

    @property
    def _filtered(self) -> bool:
        return len(self._own_rules()) == len(self._rules) and all(map(self._has_rule, self._rules))

    @property
    def _switches(self) -> list[pathlib.Path]:
        """What has to be on for packets to get as far as the rules: else those that are refused vanish silently."""
        return [_IPV4 / "conf" / self._bridge / "forwarding"] + [_IPV4 / "ip_forward"] * self._internet

    @property
    def _forwarding(self) -> bool:
        return all(switch.read_text(encoding="ascii").strip() == "1" for switch in self._switches)

    @property
    def complete(self) -> bool:
        """Whether nothing has to be changed."""
        return self.exists and self._filtered and self._forwarding

    @property
    def gone(self) -> bool:
        """Whether nothing has to be removed."""
        return self._link is None and not self._own_rules()

    def make(self) -> None:
        """Make what is missing."""
        if not self.exists:
            self._make_bridge()
        if not self._filtered:
            self._remove_rules()
            for table, chain, arguments in reversed(self._rules):
                self._run("iptables", "-w", "-t", table, "-I", chain, *arguments)
        if not self._forwarding:
            for switch in self._switches:
                switch.write_text("1", encoding="ascii")

    def _make_bridge(self) -> None:
        if self._link is None:
            self._run("ip", "link", "add", self._bridge, "address", hardware_address(self._bridge), "type", "bridge")
        # Whether a VM has come up is known after 0.3 s rather than 3.
        (_IPV4 / "neigh" / self._bridge / "retrans_time_ms").write_text("100", encoding="ascii")
        self._run("ip", "address", "replace", self._address, "dev", self._bridge)
        self._run("ip", "link", "set", self._bridge, "up")

    def _remove_rules(self) -> None:
        for table, rule in self._own_rules():
            self._run("iptables", "-w", "-t", table, "-D", *rule)

    def remove(self) -> None:
        """Remove the bridge and its rules."""
        self._remove_rules()
        if self._link is not None:
            self._run("ip", "link", "delete", self._bridge)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "bridge": {"type": "str", "required": True},
            "subnet": {"type": "str", "required": True},
            "gateway": {"type": "str", "required": True},
            "internet": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
        },
        supports_check_mode=True,
    )
    if os.geteuid() != 0:
        module.fail_json(msg="The network of VMs can only be made by root: run this as root.")
    network = Network(module)
    if module.params["state"] == "absent":
        gone = network.gone
        if not gone and not module.check_mode:
            network.remove()
        module.exit_json(changed=not gone)

    if problem := network.conflict():
        module.fail_json(msg=problem)
    complete = network.complete
    if not complete and not module.check_mode:
        network.make()
    resolv_conf = "".join(f"nameserver {server}\n" for server in network.nameservers)
    if not module.params["internet"]:
        resolv_conf += _NO_PATIENCE
    module.exit_json(changed=not complete, resolv_conf=resolv_conf)


if __name__ == "__main__":
    main()
