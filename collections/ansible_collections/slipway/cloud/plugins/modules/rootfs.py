# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rootfs
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Make a Debian or Ubuntu root file system
description:
  - Makes a root file system by C(mmdebstrap) from the machine's own apt sources and keeps it by the hash of its inputs.
  - It is written beside its final name and renamed, so what exists is complete; it is never changed afterwards.
  - Earlier ones of the same name are removed, unless an overlay file system or one of O(users) still needs them.
options:
  name:
    description: What it is for; the first part of the path.
    type: str
    required: true
  cache_dir:
    description: The directory that holds root file systems.
    type: path
    required: true
  packages:
    description: Packages to install in addition to those of O(variant).
    type: list
    elements: str
    default: []
  variant:
    description: The set of packages to start from, see mmdebstrap(1).
    type: str
    choices: [essential, apt, minbase]
    default: minbase
  format:
    description: A directory, to be the lower layer of overlays, or a tar file, to be the base of images.
    type: str
    choices: [directory, tar]
    default: directory
  suite:
    description: The distribution's code name. Default is that of this machine.
    type: str
  mirror:
    description:
      - Where packages come from, for example V(https://mirror.example/debian).
      - Default is the machine's own sources of O(suite), with its updates and security fixes.
    type: str
  components:
    description: The components of O(mirror).
    type: list
    elements: str
    default: [main]
  keyring:
    description: The keyring that O(mirror) is signed by. Default is apt's own.
    type: path
  path_exclude:
    description: Glob patterns of paths that are not installed. Copyright files always are.
    type: list
    elements: str
    default: ['/usr/share/doc/*', '/usr/share/info/*', '/usr/share/locale/*', '/usr/share/man/*']
  users:
    description: Glob patterns of symbolic links; a root file system that one of them points to is in use.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Says whether it would be made.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Make the base of containers that need Python
  slipway.cloud.rootfs:
    name: python
    cache_dir: "{{ lookup('slipway.cloud.cache_path', 'rootfs') }}"
    packages: [python3-minimal, libpython3-stdlib, ca-certificates]
    variant: essential
    format: tar
  register: base
"""

RETURN = r"""
path:
  description: The directory or tar file.
  returned: success
  type: str
  sample: /root/.cache/slipway/rootfs/vm-0a1b2c3d4e5f
removed:
  description: Earlier ones that were removed.
  returned: success
  type: list
  elements: str
"""

import contextlib
import fcntl
import glob
import os
import pathlib
import shutil
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._rootfs import Recipe, Source, parse_deb822, parse_one_line, transport_options
from ..module_utils._space import SpaceError, require_space

_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "cache_dir": {"type": "path", "required": True},
    "packages": {"type": "list", "elements": "str", "default": []},
    "variant": {"type": "str", "choices": ["essential", "apt", "minbase"], "default": "minbase"},
    "format": {"type": "str", "choices": ["directory", "tar"], "default": "directory"},
    "suite": {"type": "str"},
    "mirror": {"type": "str"},
    "components": {"type": "list", "elements": "str", "default": ["main"]},
    "keyring": {"type": "path", "no_log": False},
    "path_exclude": {
        "type": "list",
        "elements": "str",
        "default": ["/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*"],
    },
    "users": {"type": "list", "elements": "str", "default": []},
}

# Reproducible: no file of a tar is newer than 2026-01-01.
_EPOCH = 1767225600
# Measured: the VMs' base takes 260 MB, and as much again while it is made.
_NEED_MIB = 1000


class SourceError(Exception):
    """Packages can be had from nowhere."""


def host_suite() -> str:
    """Return the code name of this machine's distribution, "" if os-release names none."""
    lines = pathlib.Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return next((line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME=")), "")


def host_sources() -> list[Source]:
    """Return the binary sources of this machine's apt, in the order in which apt reads them."""
    parts = pathlib.Path("/etc/apt/sources.list.d")
    sources = []
    for path in [pathlib.Path("/etc/apt/sources.list"), *sorted(parts.glob("*.list"))]:
        with contextlib.suppress(FileNotFoundError):
            sources += parse_one_line(path.read_text(encoding="utf-8"))
    for path in sorted(parts.glob("*.sources")):
        sources += parse_deb822(path.read_text(encoding="utf-8"))
    return sources


def source_lines(params: dict[str, t.Any], suite: str) -> tuple[str, ...]:
    """Return the sources to install from: those of the mirror, else the machine's own of the suite."""
    if params["mirror"]:
        return (Source(params["mirror"], suite, tuple(params["components"]), params["keyring"] or "").line,)
    return tuple(source.line for source in host_sources() if source.belongs_to(suite))


def in_use(users: t.Iterable[str]) -> set[str]:
    """Return the targets of the given links; paths that overlays use are found in the list of mounts."""
    return {os.path.realpath(link) for pattern in users for link in glob.glob(pattern) if os.path.islink(link)}


def mounted(path: pathlib.Path) -> bool:
    """Whether an overlay has the path as its lower layer."""
    mounts = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8")
    return f"lowerdir={path}" in mounts


def remove(path: pathlib.Path) -> None:
    """Remove a root file system, or what a killed run left of one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make(module: AnsibleModule, recipe: Recipe, path: pathlib.Path, lock: int) -> None:
    """Make the root file system beside its final name, then rename it."""
    mmdebstrap = module.get_bin_path("mmdebstrap")
    if mmdebstrap is None:
        module.fail_json(msg=f"{path.name} cannot be made without mmdebstrap: apt-get install mmdebstrap")
    require_space(str(path.parent), _NEED_MIB, f"the root file system {path.name}")
    staging = path.parent / f".{path.name}.new"
    remove(staging)
    staging.mkdir()
    made = staging / path.name
    apt_config = module.run_command(["apt-config", "dump"], check_rc=True)[1]
    command = recipe.command(mmdebstrap, str(made), transport_options(apt_config))
    # The lock is held by every process of mmdebstrap: whoever comes after a killed run waits for what is left of it.
    status, _output, errors = module.run_command(
        command,
        environ_update={"SOURCE_DATE_EPOCH": str(recipe.epoch), "LC_ALL": "C.UTF-8", "TMPDIR": str(staging)},
        pass_fds=[lock],
    )
    if status == 0:
        made.rename(path)
    remove(staging)
    if status != 0:
        tail = "\n".join(errors.strip().splitlines()[-15:])
        module.fail_json(msg=f"mmdebstrap cannot make {path.name}: {tail}", cmd=command)


def outdated(name: str, path: pathlib.Path, users: t.Iterable[str]) -> list[pathlib.Path]:
    """Return earlier root file systems of the same name that nothing needs."""
    used = in_use(users)
    others = path.parent.glob(f"{name}-" + "[0-9a-f]" * 12 + path.suffix)
    return [other for other in others if other != path and str(other) not in used and not mounted(other)]


def recipe_of(params: dict[str, t.Any]) -> Recipe:
    """Return what the options describe. :raises SourceError: if this machine has no source for it."""
    suite = params["suite"] or host_suite()
    sources = source_lines(params, suite)
    if not sources:
        raise SourceError(f"This machine has no apt source of the distribution for {suite!r}: set mirror.")
    return Recipe(
        suite=suite,
        sources=sources,
        packages=tuple(sorted(set(params["packages"]))),
        variant=params["variant"],
        format=params["format"],
        path_exclude=tuple(params["path_exclude"]),
        epoch=_EPOCH,
    )


def ensure_made(module: AnsibleModule, recipe: Recipe, path: pathlib.Path) -> dict[str, t.Any]:
    """Make the root file system if it is missing and remove earlier ones; return the module's result."""
    name, users = module.params["name"], module.params["users"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.parent / f".{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = not path.exists()
        if missing:
            make(module, recipe, path, lock.fileno())
        old = outdated(name, path, users)
        for other in old:
            remove(other)
    return {"changed": missing or bool(old), "path": str(path), "removed": [str(other) for other in old]}


def main() -> None:
    module = AnsibleModule(argument_spec=_SPEC, supports_check_mode=True)
    params: dict[str, t.Any] = module.params
    try:
        recipe = recipe_of(params)
        suffix = ".tar" if params["format"] == "tar" else ""
        path = pathlib.Path(params["cache_dir"]).resolve() / f"{params['name']}-{recipe.digest}{suffix}"
        if module.check_mode:
            module.exit_json(changed=not path.exists(), path=str(path), removed=[])
        module.exit_json(**ensure_made(module, recipe, path))
    except (SourceError, SpaceError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
