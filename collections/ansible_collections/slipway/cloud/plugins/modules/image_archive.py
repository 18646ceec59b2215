# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_archive
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Makes a container image as a reproducible docker-archive file
description:
  - Makes an image from a root file system and files, without a container engine.
  - C(ctr images import) reads the archive.
  - The same inputs give the same bytes; an archive whose image is the same is left alone.
options:
  name:
    description: Reference of the image, as in V(registry.k8s.io/pause:3.10.2).
    type: str
    required: true
  dest:
    description: The archive. Its directory is made when it is not there.
    type: path
    required: true
  base:
    description: A root file system as an uncompressed tar, which becomes the first layer.
    type: path
  files:
    description:
      - What the last layer holds. Owner is root, time 0; parent directories are made.
      - An entry with neither O(files[].src) nor O(files[].content) is an empty directory.
    type: list
    elements: dict
    default: []
    suboptions:
      dest:
        description: Path in the image.
        type: path
        required: true
      src:
        description:
          - A file, or a directory whose content is taken with modes 0755 and 0644.
          - A relative path is one in O(bundle).
        type: path
      content:
        description: Text of a file.
        type: str
      mode:
        description: Mode of the file or the empty directory, in octal digits.
        type: str
        default: '0755'
  entrypoint:
    description: The command's fixed part.
    type: list
    elements: str
    default: []
  cmd:
    description: The command's default arguments.
    type: list
    elements: str
    default: []
  user:
    description: User and group, as V(uid:gid). Root when empty.
    type: str
    default: ''
  env:
    description: Environment variables, beside C(PATH).
    type: dict
    default: {}
  workdir:
    description: The working directory.
    type: str
    default: ''
  labels:
    description: Labels of the image.
    type: dict
    default: {}
  ports:
    description: Exposed ports, as in V(8080/tcp).
    type: list
    elements: str
    default: []
  arch:
    description: Architecture in Go's words, V(amd64) or V(arm64). That of the machine when not given.
    type: str
  bundle:
    description: Directory of the bundle that holds the archive and whose manifest is to vouch for it.
    type: path
attributes:
  check_mode:
    support: full
    description: Says whether it would write the archive. A file that is not there yet counts as changed.
  diff_mode:
    support: none
    description: Archives have no readable difference.
"""

EXAMPLES = r"""
- name: Make an image of one program
  slipway.cloud.image_archive:
    name: slipway.local/hello:1
    dest: /tmp/hello.tar
    files:
      - src: /usr/local/bin/hello
        dest: /hello
    entrypoint: [/hello]
    user: '65532:65532'
"""

RETURN = r"""
name:
  description: Reference of the image.
  returned: success
  type: str
dest:
  description: The archive.
  returned: success
  type: str
digest:
  description: Digest of the image's configuration, which names all of its content; empty in check mode without inputs.
  returned: success
  type: str
  sample: sha256:9d68969855fbf676cdb8ed758e420fb048d61f984f61de3e53eddfebe484d168
"""

import platform
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._bundle import Bundle, BundleError, Image, architecture, sha256_of
from ..module_utils._image_archive import (
    Config,
    ImageArchiveError,
    Source,
    archived_digest,
    image_digest,
    write_archive,
)

_LIST: dict[str, t.Any] = {"type": "list", "elements": "str", "default": []}

_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "dest": {"type": "path", "required": True},
    "base": {"type": "path"},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "dest": {"type": "path", "required": True},
            "src": {"type": "path"},
            "content": {"type": "str"},
            "mode": {"type": "str", "default": "0755"},
        },
        "mutually_exclusive": [("src", "content")],
    },
    "entrypoint": _LIST,
    "cmd": _LIST,
    "user": {"type": "str", "default": ""},
    "env": {"type": "dict", "default": {}},
    "workdir": {"type": "str", "default": ""},
    "labels": {"type": "dict", "default": {}},
    "ports": _LIST,
    "arch": {"type": "str"},
    "bundle": {"type": "path"},
}


def image_of(params: dict[str, t.Any], *, machine: str) -> dict[str, t.Any]:
    """Return the image that the options describe: ``config``, ``base``, ``sources``."""
    same = {key: params[key] for key in ("entrypoint", "cmd", "user", "env", "workdir", "labels", "ports")}
    sources = [_source(params["bundle"] or "", **file) for file in params["files"]]
    config = Config(architecture=params["arch"] or architecture(machine), **same)
    return {"config": config, "base": Path(params["base"]) if params["base"] else None, "sources": sources}


def _source(directory: str, *, dest: str, src: str | None, content: str | None, mode: str) -> Source:
    path = str(Path(directory) / src) if src else None
    return Source(dest=dest, src=path, content=content, mode=int(mode, 8))


def ensure_archived(params: dict[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Write the archive unless its image is the same already; return the module's result."""
    name, dest = params["name"], Path(params["dest"])
    image = image_of(params, machine=platform.machine())
    try:
        digest = image_digest(**image)
    except ImageArchiveError:
        if not check_mode:
            raise
        digest = ""  # what would be made before is not there yet
    changed = archived_digest(dest, name) != digest
    if changed and not check_mode:
        dest.parent.mkdir(parents=True, exist_ok=True)
        write_archive(dest, name=name, **image)
    return {"changed": changed, "name": name, "dest": str(dest), "digest": digest}


def ensure_recorded(bundle: Bundle, *, name: str, dest: Path, digest: str) -> bool:
    """Have the bundle's manifest vouch for the archive; say whether it did not."""
    manifest = bundle.read()
    known = manifest.images.get(name)
    file = str(dest.relative_to(bundle.root))
    if known and (known["file"], known["digest"]) == (file, digest):
        return False
    manifest.record_image(name, Image(file=file, sha256=sha256_of(dest), digest=digest))
    bundle.write(manifest)
    return True


def run(params: dict[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Do what the options ask for; return the module's result."""
    bundle = Bundle(Path(params["bundle"])) if params["bundle"] else None
    if not bundle or check_mode:
        return ensure_archived(params, check_mode=check_mode)
    with bundle.staging():
        result = ensure_archived(params, check_mode=False)
        recorded = ensure_recorded(bundle, name=result["name"], dest=Path(result["dest"]), digest=result["digest"])
    return {**result, "changed": result["changed"] or recorded}


def main() -> t.NoReturn:
    """Run the module."""
    module = AnsibleModule(argument_spec=_SPEC, supports_check_mode=True)
    try:
        module.exit_json(**run(module.params, check_mode=module.check_mode))
    except (BundleError, ImageArchiveError, OSError, ValueError) as error:
        module.fail_json(msg=f"{module.params['name']}: {error}")


if __name__ == "__main__":
    main()
