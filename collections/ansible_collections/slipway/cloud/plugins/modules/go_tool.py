# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: go_tool
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Builds the programs of one pinned Go module file into a bundle
description:
  - Builds the packages of a small C(go.mod) and C(go.sum) and puts the programs into C(bin/) of a bundle,
    whose manifest then vouches for them.
  - Builds again only when the module file, the recipe, Go or the architecture changed. Needs no network then.
  - The programs replace the former ones only when all of them are built.
options:
  name:
    description: Name of the tool.
    type: str
    required: true
  version:
    description: Version of the tool, for the manifest. What is built, O(module_dir) alone decides.
    type: str
    required: true
  module_dir:
    description: Directory of C(go.mod) and C(go.sum).
    type: path
    required: true
  bundle:
    description: Directory of the bundle.
    type: path
    required: true
  cache:
    description: Directory of Go's caches, C(mod) and C(build).
    type: path
    required: true
  go:
    description: The C(go) command.
    type: path
    required: true
  packages:
    description: Packages to build; V(tool) means those of the C(tool) directives.
    type: list
    elements: str
    default: [tool]
  ldflags:
    description: Flags for the linker, beside those that leave out symbols.
    type: list
    elements: str
    default: []
  rename:
    description: New names of programs, by the name that Go gives them.
    type: dict
    default: {}
  main:
    description: A main package that is copied before it is built as package V(.), to leave out imports.
    type: dict
    suboptions:
      module:
        description: The module that has it.
        type: str
        required: true
      file:
        description: The file, relative to the module.
        type: str
        default: main.go
      without:
        description: Blank imports that are left out.
        type: list
        elements: str
        required: true
  c_programs:
    description: Programs of one C file each, built static by C(gcc).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the program.
        type: str
        required: true
      module:
        description: The Go module that has the file.
        type: str
        required: true
      source:
        description: The file, relative to the module.
        type: str
        required: true
      flags:
        description: Flags for the compiler.
        type: list
        elements: str
        default: []
  manifests:
    description:
      - The sha256 of Kubernetes manifests by their paths in O(manifests_module). They go to C(manifests/<name>/) of the
        bundle.
    type: dict
    default: {}
  manifests_module:
    description: The Go module that has the O(manifests).
    type: str
  space_mib:
    description: What a build from empty caches writes, in MiB. Less free space is refused before the build.
    type: int
    default: 0
  position:
    description: Which of how many tools this is, as in V(2 of 6); shown while it builds.
    type: str
    default: ''
attributes:
  check_mode:
    support: full
    description: Says whether it would build.
  diff_mode:
    support: none
    description: Programs have no readable difference.
"""

EXAMPLES = r"""
- name: Build etcd
  slipway.cloud.go_tool:
    name: etcd
    version: 3.6.8
    module_dir: files/etcd
    bundle: "{{ lookup('slipway.cloud.cache_path', 'bundle') }}"
    cache: "{{ lookup('slipway.cloud.cache_path', 'go') }}"
    go: /usr/local/go/bin/go
    rename:
      server: etcd
"""

RETURN = r"""
files:
  description: Paths of the programs and manifests, relative to the bundle; none in check mode when it would build.
  returned: success
  type: list
  elements: str
  sample: [bin/etcd]
seconds:
  description: How long the build took.
  returned: success
  type: float
"""

import platform
import time
import typing as t
from dataclasses import fields
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._bundle import Bundle, BundleError, architecture
from ..module_utils._go_tool import Builder, GoToolError, Recipe, go_version, inputs_hash
from ..module_utils._space import SpaceError, require_space

_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "module_dir": {"type": "path", "required": True},
    "bundle": {"type": "path", "required": True},
    "cache": {"type": "path", "required": True},
    "go": {"type": "path", "required": True},
    "packages": {"type": "list", "elements": "str", "default": ["tool"]},
    "ldflags": {"type": "list", "elements": "str", "default": []},
    "rename": {"type": "dict", "default": {}},
    "main": {
        "type": "dict",
        "options": {
            "module": {"type": "str", "required": True},
            "file": {"type": "str", "default": "main.go"},
            "without": {"type": "list", "elements": "str", "required": True},
        },
    },
    "c_programs": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "module": {"type": "str", "required": True},
            "source": {"type": "str", "required": True},
            "flags": {"type": "list", "elements": "str", "default": []},
        },
    },
    "manifests": {"type": "dict", "default": {}},
    "manifests_module": {"type": "str"},
    "space_mib": {"type": "int", "default": 0},
    "position": {"type": "str", "default": ""},
}


def ensure_built(params: dict[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Build the tool unless the bundle has it from the same inputs; return the module's result."""
    name, module_dir, cache = params["name"], Path(params["module_dir"]), Path(params["cache"])
    bundle = Bundle(Path(params["bundle"]))
    recipe = Recipe(**{field.name: params[field.name] for field in fields(Recipe)})
    arch = architecture(platform.machine())
    inputs = inputs_hash(recipe, module_dir=module_dir, go_version=go_version(params["go"]), arch=arch)
    if check_mode or bundle.has_tool(name, inputs):
        return _result(bundle, name, changed=not bundle.has_tool(name, inputs))
    started = time.monotonic()
    with bundle.staging() as staging:
        if bundle.has_tool(name, inputs):  # made by another run while this one waited
            return _result(bundle, name, changed=False)
        require_space(cache, params["space_mib"], "The build")
        builder = Builder(params["go"], work=staging.path, cache=cache, log=bundle.new_log(name), lock=staging.lock)
        programs = builder.build(recipe, module_dir=module_dir)
        module = recipe.manifests_module
        manifests = builder.copy_manifests(module, recipe.manifests) if module else []
        version = params["version"]
        bundle.install_tool(name, programs, manifests=manifests, version=version, source="source", inputs=inputs)
    return _result(bundle, name, changed=True, seconds=time.monotonic() - started)


def _result(bundle: Bundle, name: str, *, changed: bool, seconds: float = 0.0) -> dict[str, t.Any]:
    tool = bundle.read().tools.get(name)
    return {"changed": changed, "files": tool["files"] if tool else [], "seconds": round(seconds, 1)}


def main() -> t.NoReturn:
    """Run the module."""
    module = AnsibleModule(argument_spec=_SPEC, supports_check_mode=True)
    try:
        module.exit_json(**ensure_built(module.params, check_mode=module.check_mode))
    except (BundleError, GoToolError, SpaceError, OSError) as error:
        module.fail_json(msg=f"{module.params['name']}: {error}")


if __name__ == "__main__":
    main()
