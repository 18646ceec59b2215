# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: iptables_chains
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Remove the packet rules that a program left behind, by the names of its chains
description:
  - Removes all chains whose name begins with one of the prefixes, and the rules that lead to them, from all tables.
  - Does so for IPv4 and IPv6, and both for nftables and for legacy iptables. Other rules keep their place and counters.
options:
  prefixes:
    description: What the names of the chains begin with.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - slipway.cloud.attributes
"""

EXAMPLES = r"""
- name: Remove the rules of kube-proxy
  slipway.cloud.iptables_chains:
    prefixes: [KUBE-]
"""

RETURN = r"""
chains:
  description: The chains that were, or in check mode would be, removed.
  returned: always
  type: list
  elements: str
  sample: [KUBE-SERVICES]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._iptables import removal, removed_chains

# A pod may have chosen the one that the machine itself does not use.
_PROGRAMS = ("iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy")


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={"prefixes": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    present = [program for program in _PROGRAMS if module.get_bin_path(f"{program}-save")]
    saved = {program: module.run_command([f"{program}-save"], check_rc=True)[1] for program in present}
    removals = {program: removal(text, module.params["prefixes"]) for program, text in saved.items()}
    changes = {program: script for program, script in removals.items() if script}
    for program, script in changes.items() if not module.check_mode else ():
        module.run_command([f"{program}-restore", "--noflush", "--wait"], data=script, check_rc=True)
    module.exit_json(
        changed=bool(changes),
        chains=sorted({chain for script in changes.values() for chain in removed_chains(script)}),
        diff=[{"prepared": script} for script in changes.values()],
    )


if __name__ == "__main__":
    main()
