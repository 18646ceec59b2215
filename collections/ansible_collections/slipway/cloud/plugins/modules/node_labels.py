# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_labels
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Declare labels and taints of nodes
description:
  - Gives nodes the declared labels and taints, and takes away those that were declared before and no longer are.
  - What others have set is left alone. What was set is noted in an annotation of the node.
options:
  nodes:
    description: Names of the nodes.
    type: list
    elements: str
  selector:
    description: A label selector that chooses the nodes instead, as V(node-role.kubernetes.io/control-plane).
    type: str
  labels:
    description: The labels that the nodes are to have.
    type: dict
    default: {}
  taints:
    description: The taints that the nodes are to have.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description: Key of the taint.
        type: str
        required: true
      value:
        description: Its value.
        type: str
      effect:
        description: What becomes of pods that do not tolerate it.
        type: str
        choices: [NoSchedule, PreferNoSchedule, NoExecute]
        required: true
  declared_by:
    description:
      - In whose name the labels are declared, a DNS label.
      - Tasks that declare different labels for the same node need different names, else each takes away the other's.
    type: str
    default: slipway
extends_documentation_fragment:
  - slipway.cloud.connection
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
"""

EXAMPLES = r"""
- name: Let clusters run on two nodes
  slipway.cloud.node_labels:
    nodes: [node2, node3]
    labels:
      slipway.dev/clusters: allowed

- name: Take the label away again
  slipway.cloud.node_labels:
    nodes: [node2, node3]
    labels: {}

- name: Keep other pods off the nodes for batch work
  slipway.cloud.node_labels:
    selector: example.org/pool=batch
    taints:
      - key: example.org/batch
        effect: NoSchedule
    declared_by: batch
"""

RETURN = r"""
code:
  description: What went wrong before anything was changed, in lower snake case.
  returned: failure
  type: str
  sample: forbidden
nodes:
  description: The nodes as they are now, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the node.
      type: str
    changed:
      description: Whether anything had to be changed.
      type: bool
    labels:
      description: All its labels.
      type: dict
    taints:
      description: All its taints.
      type: list
      elements: dict
"""

from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible import Params, client_of, option_problems, refuse, texts
from ..module_utils._node_labels import Change, Declaration, change_of, problems_of, selected
from ..module_utils._spec import CONNECTION, Spec
from ..module_utils.engine.apply import patch
from ..module_utils.engine.errors import ConflictError, EngineError
from ..module_utils.engine.resources import NODE, Object

if TYPE_CHECKING:
    from ..module_utils.engine.client import Client

_ATTEMPTS = 5


_SPEC: Spec = {
    "nodes": {"type": "list", "elements": "str"},
    "selector": {"type": "str"},
    "labels": {"type": "dict", "default": {}},
    "taints": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "key": {"type": "str", "required": True, "no_log": False},
            "value": {"type": "str"},
            "effect": {
                "type": "str",
                "choices": ["NoSchedule", "PreferNoSchedule", "NoExecute"],
                "required": True,
            },
        },
    },
    "declared_by": {"type": "str", "default": "slipway"},
    **CONNECTION,
}


def declaration_of(params: Params) -> Declaration:
    """Return what the options declare. :raises InvalidInputError: for all that is wrong, at once."""
    problems = option_problems(params)
    labels = texts(params["labels"], what="label", problems=problems)
    declaration = Declaration(labels, params["taints"], params["declared_by"])
    refuse(problems + problems_of(declaration))
    return declaration


def list_nodes(client: Client, selector: str | None) -> list[Object]:
    """Return all nodes, or those that the selector chooses."""
    query = {"labelSelector": selector} if selector else None
    items = client.get(NODE.path(), query, action="list nodes")["items"]
    return [{**item, "apiVersion": NODE.api_version, "kind": NODE.kind} for item in items]


def settle(client: Client, node: Object, declaration: Declaration, *, dry_run: bool) -> Change:
    """Make one node as declared; what changes under our hands is read anew."""
    for attempt in range(_ATTEMPTS):
        change = change_of(node, declaration)
        if dry_run or not change.patch:
            return change
        try:
            patch(client, node, change.patch)
        except ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
            node = client.get(NODE.path(name=change.name), action=f"read Node {change.name}")
        else:
            return change
    raise AssertionError("the last attempt returns or raises")


def run(module: AnsibleModule) -> list[Change]:
    """Do what the options say and return the change of each node. :raises EngineError:"""
    params = module.params
    declaration = declaration_of(params)
    with client_of(params) as client:
        nodes = selected(list_nodes(client, params["selector"]), params["nodes"], params["selector"])
        return [settle(client, node, declaration, dry_run=module.check_mode) for node in nodes]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=_SPEC,
        mutually_exclusive=[("nodes", "selector")],
        required_one_of=[("nodes", "selector")],
        supports_check_mode=True,
    )
    try:
        changes = run(module)
    except EngineError as error:
        module.fail_json(msg=str(error), code=error.code)
    module.exit_json(
        changed=any(change.patch for change in changes),
        nodes=[{"name": each.name, "changed": bool(each.patch), **each.after} for each in changes],
        diff=[
            {"before_header": each.name, "after_header": each.name, "before": each.before, "after": each.after}
            for each in changes
            if each.patch
        ],
    )


if __name__ == "__main__":
    main()
