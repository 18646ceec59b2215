# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: footprint
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Note what a machine is like before it is changed, and take the changes back
description:
  - With O(state=noted), looks at what a role is about to change and keeps a note of it on the machine, with copies of
    the files that would be replaced. What is noted already stays as it is, so that a run that was killed loses nothing.
  - With O(state=removed), makes all that is noted as it was and forgets the note. What has no note is left alone.
options:
  name:
    description: Whose changes they are, usually the name of the role.
    type: str
    required: true
  files:
    description: Files that are written. One that was there before is put back.
    type: list
    elements: path
    default: []
  directories:
    description: Directories in which everything new belongs to these changes, such as the data of a service.
    type: list
    elements: path
    default: []
  shared_directories:
    description: Directories that others may use too. One that was not there before is removed if nothing is in it.
    type: list
    elements: path
    default: []
  units:
    description:
      - Units that are written to C(/etc/systemd/system) and enabled there, or that only come into being.
      - They are stopped before anything else is taken back. One that ran before is started again.
    type: list
    elements: str
    default: []
  sysctls:
    description: Settings of the kernel.
    type: list
    elements: str
    default: []
  packages:
    description:
      - Packages that will be installed by apt, whose lists must be there. Those that come with them are noted too.
      - They are removed again, with their configuration, unless another package has come to depend on them.
    type: list
    elements: str
    default: []
  state:
    description: Whether the changes are still to come, or are to be taken back.
    type: str
    choices: [noted, removed]
    default: noted
  directory:
    description: Where the notes are kept.
    type: path
    default: /var/lib/slipway/before
extends_documentation_fragment:
  - slipway.cloud.attributes
attributes:
  diff_mode:
    support: none
    description: Names in its return values what it removed.
"""

EXAMPLES = r"""
- name: Note what is there
  slipway.cloud.footprint:
    name: example
    files: [/etc/example.conf]
    directories: [/var/lib/example]
    units: [example.service]
    sysctls: [net.ipv4.ip_forward]

- name: Take it all back
  slipway.cloud.footprint:
    name: example
    state: removed
"""

RETURN = r"""
packages:
  description: The packages that were noted as new, or that were removed.
  returned: always
  type: list
  elements: str
  sample: [conntrack, libnetfilter-conntrack3]
paths:
  description: The files and directories that were removed or put back.
  returned: when O(state) is V(removed)
  type: list
  elements: str
  sample: [/etc/example.conf, /var/lib/example]
"""

import json
import os
import shutil
import stat
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._footprint import (
    ONLY_DEPENDENCIES,
    Listing,
    Note,
    added_packages,
    deepest_first,
    dispensable,
    leftovers,
    mounts_in,
    unit_files,
)

_APT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}


class Footprint:
    """The changes of one role on this machine, and the note of what was there before."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._kept = Path(module.params["directory"], module.params["name"])
        self._note_file = self._kept / "note.json"
        self._paths: list[str] = []

    @property
    def note(self) -> Note | None:
        """What is noted; None where nothing was changed yet, or everything is taken back."""
        if not self._note_file.exists():
            return None
        return Note.load(json.loads(self._note_file.read_text(encoding="utf-8")))

    def look(self) -> Note:
        """Look at everything that the options name."""
        params = self._module.params
        files = [*params["files"], *(path for unit in params["units"] for path in unit_files(unit))]
        directories, shared = params["directories"], params["shared_directories"]
        above = {str(parent) for path in [*files, *directories, *shared] for parent in Path(path).parents}
        return Note(
            files={path: os.path.lexists(path) for path in files},
            directories={path: _listing(Path(path)) for path in directories},
            parents={path: False for path in sorted({*above, *shared}) if not Path(path).exists()},
            units={unit: self._status("systemctl", "is-active", "--quiet", unit) == 0 for unit in params["units"]},
            sysctls={name: _sysctl(name) for name in params["sysctls"]},
            packages=dict.fromkeys(self._new_packages(params["packages"]), False),
        )

    def keep(self, note: Note, *, known: Note) -> None:
        """Keep a note, and copies of the files that were not known yet."""
        for path in note.files.keys() - known.files.keys():
            if note.files[path]:
                copy = self._copy(path)
                copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.copy2(path, copy, follow_symlinks=False)
        self._kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._note_file.with_suffix(".new")
        beside.write_text(json.dumps(note.dump(), indent=1), encoding="utf-8")
        beside.replace(self._note_file)

    def take_back(self, note: Note) -> dict[str, t.Any]:
        """Make everything as it was, forget the note, and return what was removed."""
        for unit in note.units:
            if self._status("systemctl", "cat", unit) == 0:
                self._run("systemctl", "stop", unit)
        packages = self._purge(list(note.packages))
        for path, was_there in note.files.items():
            self._restore_file(path, was_there=was_there)
        self._clear(note.directories)
        for parent in deepest_first(note.parents):
            if _is_empty(Path(parent)):
                self._remove(Path(parent))
        for name, value in note.sysctls.items():
            if value is not None and _sysctl(name) not in (None, value):
                _sysctl_path(name).write_text(value, encoding="ascii")
        if note.units:
            self._run("systemctl", "daemon-reload")
        for unit in (unit for unit, ran in note.units.items() if ran):
            self._run("systemctl", "start", unit)
        self._forget()
        return {"packages": packages, "paths": self._paths}

    def _restore_file(self, path: str, *, was_there: bool) -> None:
        self._remove(Path(path))
        if was_there:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self._copy(path), path, follow_symlinks=False)

    def _clear(self, directories: dict[str, Listing | None]) -> None:
        now = {directory: _listing(Path(directory)) for directory in directories}
        paths = [path for each, before in directories.items() for path in leftovers(each, before=before, now=now[each])]
        for point in mounts_in(Path("/proc/self/mountinfo").read_text(encoding="utf-8"), paths):
            self._run("umount", point)
        for path in paths:
            self._remove(Path(path))
        for directory, before in directories.items():
            if before and now[directory]:
                Path(directory).chmod(before["mode"])

    def _remove(self, path: Path) -> None:
        if not os.path.lexists(path):
            return
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        self._paths.append(str(path))

    def _forget(self) -> None:
        self._note_file.unlink()
        shutil.rmtree(self._kept)
        for directory in (self._kept.parent, self._kept.parent.parent):
            if _is_empty(directory):
                directory.rmdir()

    def _new_packages(self, wanted: list[str]) -> list[str]:
        if not wanted:
            return []
        return added_packages(self._run("apt-get", "--simulate", "install", *wanted))

    def _purge(self, noted: list[str]) -> list[str]:
        """Remove those of the noted packages that nothing else has come to depend on."""
        known = self._module.run_command(["dpkg-query", "--show", "--showformat=${Package}\n", *noted])[1].split()
        if not noted or not known:
            return []
        self._run("dpkg", "--configure", "--pending")
        self._run("apt-mark", "auto", *known)
        unneeded = dispensable(known, self._run("apt-get", "--simulate", "autoremove", *ONLY_DEPENDENCIES))
        if unneeded:
            self._run("apt-get", "--yes", "-oDPkg::Lock::Timeout=60", "purge", *unneeded)
        return unneeded

    def _copy(self, path: str) -> Path:
        return self._kept / "files" / path.lstrip("/")

    def _run(self, *command: str) -> str:
        return str(self._module.run_command(list(command), check_rc=True, environ_update=_APT)[1])

    def _status(self, *command: str) -> int:
        return int(self._module.run_command(list(command))[0])


def _listing(directory: Path) -> Listing | None:
    if not directory.is_dir():
        return None
    return {"mode": stat.S_IMODE(directory.stat().st_mode), "names": sorted(path.name for path in directory.iterdir())}


def _is_empty(directory: Path) -> bool:
    return directory.is_dir() and not any(directory.iterdir())


def _sysctl_path(name: str) -> Path:
    return Path("/proc/sys", name.replace(".", "/"))


def _sysctl(name: str) -> str | None:
    path = _sysctl_path(name)
    return path.read_text(encoding="ascii").strip() if path.is_file() else None


def main() -> t.NoReturn:
    names = {"type": "list", "elements": "str", "default": []}
    paths = {"type": "list", "elements": "path", "default": []}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "files": paths,
            "directories": paths,
            "shared_directories": paths,
            "units": names,
            "sysctls": names,
            "packages": names,
            "state": {"type": "str", "choices": ["noted", "removed"], "default": "noted"},
            "directory": {"type": "path", "default": "/var/lib/slipway/before"},
        },
        supports_check_mode=True,
    )
    footprint = Footprint(module)
    known = footprint.note
    try:
        if module.params["state"] == "noted":
            note = (known or Note()).extended(footprint.look())
            if note != known and not module.check_mode:
                footprint.keep(note, known=known or Note())
            module.exit_json(changed=note != known, packages=list(note.packages))
        if known is None or module.check_mode:
            module.exit_json(changed=known is not None, packages=[], paths=[])
        module.exit_json(changed=True, **footprint.take_back(known))
    except OSError as error:
        module.fail_json(msg=f"What {module.params['name']} changes here cannot be {module.params['state']}: {error}")


if __name__ == "__main__":
    main()
