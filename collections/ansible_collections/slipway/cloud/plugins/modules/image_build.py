# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Build an image that is named by the hash of its inputs
description:
  - Builds an image from a root file system, Python wheels locked by hash, Python packages and files, without a daemon.
  - The image's tag is the hash of all of these; as long as none changes, nothing is built.
options:
  name:
    description: Name of the image, without registry and tag.
    type: str
    required: true
  repository:
    description: What comes before the name.
    type: str
    default: slipway.local
  cache_dir:
    description: Directory that keeps the archives of built images.
    type: path
    required: true
  pip_cache:
    description: pip's cache.
    type: path
    required: true
  base:
    description: A root file system as tar, named by the hash of its inputs, as M(slipway.cloud.rootfs) makes it.
    type: path
    required: true
  source_dir:
    description: Directory that relative paths of O(requirements), O(python_packages) and O(files) are below.
    type: path
    default: /
  requirements:
    description:
      - A lock file of pip. Every requirement needs its hashes, and a wheel for the Python of O(base).
    type: path
  python_packages:
    description: Import name to directory of Python packages that are installed beside the wheels.
    type: dict
    default: {}
  files:
    description: Other files.
    type: list
    elements: dict
    default: []
    suboptions:
      dest:
        description: Absolute path in the image.
        type: path
        required: true
      src:
        description: A file or directory; without it an empty directory is made.
        type: path
      mode:
        description: Mode of the file or empty directory, octal. Files of a directory get 0755 if executable, else 0644.
        type: str
        default: '0755'
  entrypoint:
    description: The program and its fixed arguments.
    type: list
    elements: str
    default: []
  cmd:
    description: The default arguments.
    type: list
    elements: str
    default: []
  user:
    description: User, or user and group, by number.
    type: str
    default: ''
  env:
    description: Environment variables.
    type: dict
    default: {}
  workdir:
    description: Working directory.
    type: str
    default: ''
  labels:
    description: Labels of the image.
    type: dict
    default: {}
  ports:
    description: Ports that the program listens on, as V(8080/tcp).
    type: list
    elements: str
    default: []
  keep:
    description: How many of the newest images of this name stay in the cache.
    type: int
    default: 2
attributes:
  check_mode:
    support: full
    description: Tells the image's name; what is known only of a built image is empty.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Build the worker
  slipway.cloud.image_build:
    name: worker
    cache_dir: "{{ lookup('slipway.cloud.cache_path', 'images') }}"
    pip_cache: "{{ lookup('slipway.cloud.cache_path', 'pip') }}"
    base: /root/.cache/slipway/rootfs/python-base-0a1b2c3d4e5f.tar
    source_dir: "{{ role_path }}/files"
    requirements: requirements.txt
    python_packages:
      slipway_worker: slipway_worker
    entrypoint: [python3, -m, slipway_worker]
    user: "65532:65532"
"""

RETURN = r"""
image:
  description: The image.
  returned: success
  type: dict
  contains:
    name:
      description: Full name.
      type: str
      sample: slipway.local/worker:0a1b2c3d4e5f
    archive:
      description: File name of the docker-archive in O(cache_dir).
      type: str
    sha256:
      description: SHA-256 of the archive, hexadecimal.
      type: str
    digest:
      description: Digest of the image's configuration, which is the image's ID.
      type: str
removed:
  description: File names of the archives of outdated images that were removed.
  returned: success
  type: list
  elements: str
"""

import dataclasses
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._bundle import BundleError
from ..module_utils._image_archive import ImageArchiveError, Source
from ..module_utils._image_build import Cache, ImageBuildError, Recipe, config_of

_STRINGS = ("user", "workdir")
_LISTS = ("entrypoint", "cmd", "ports")
_DICTS = ("python_packages", "env", "labels")


def recipe_of(options: dict[str, t.Any]) -> Recipe:
    sources = Path(options["source_dir"])
    return Recipe(
        name=options["name"],
        base=Path(options["base"]),
        config=config_of(options),
        requirements=sources / options["requirements"] if options["requirements"] else None,
        packages={name: str(sources / path) for name, path in options["python_packages"].items()},
        files=[
            Source(
                dest=file["dest"],
                src=str(sources / file["src"]) if file["src"] else None,
                mode=int(file["mode"], base=8),
            )
            for file in options["files"]
        ],
    )


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "repository": {"type": "str", "default": "slipway.local"},
            "cache_dir": {"type": "path", "required": True},
            "pip_cache": {"type": "path", "required": True},
            "base": {"type": "path", "required": True},
            "source_dir": {"type": "path", "default": "/"},
            "requirements": {"type": "path"},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "dest": {"type": "path", "required": True},
                    "src": {"type": "path"},
                    "mode": {"type": "str", "default": "0755"},
                },
            },
            "keep": {"type": "int", "default": 2},
            **{name: {"type": "str", "default": ""} for name in _STRINGS},
            **{name: {"type": "list", "elements": "str", "default": []} for name in _LISTS},
            **{name: {"type": "dict", "default": {}} for name in _DICTS},
        },
        supports_check_mode=True,
    )
    options = module.params
    cache = Cache(Path(options["cache_dir"]), repository=options["repository"], pip_cache=Path(options["pip_cache"]))
    try:
        recipe = recipe_of(options)
        found = cache.find(recipe)
        if module.check_mode:
            module.exit_json(changed=not found, image=dataclasses.asdict(found or cache.planned(recipe)), removed=[])
        image = cache.build(recipe)
        removed = cache.prune(recipe.name, keep=options["keep"])
    except (ImageBuildError, ImageArchiveError, BundleError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=not found or bool(removed), image=dataclasses.asdict(image), removed=removed)


if __name__ == "__main__":
    main()
