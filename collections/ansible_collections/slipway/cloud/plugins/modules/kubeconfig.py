# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeconfig
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Merge a context into a kubeconfig, or take it out again
description:
  - Merges one context of a kubeconfig, with its cluster and user, into another one under a name of your choice.
  - With O(state=absent), takes out again what was merged that way, and removes the file if nothing else is in it.
  - Everything else in that file stays as it is. The new file is written beside it and renamed, with mode V(0600).
  - Refuses to overwrite a cluster, user or context of that name that leads to another Kubernetes.
options:
  src:
    description: The kubeconfig with the context.
    type: path
    required: true
  context:
    description: The context to merge. Without it, the current one of O(src).
    type: str
  name:
    description: What context, cluster and user are called in O(path). Not needed to take them out.
    type: str
  path:
    description: The kubeconfig to merge into. Without it, the first file of E(KUBECONFIG), else C(~/.kube/config).
    type: path
  state:
    description: Whether the context is to be in O(path).
    type: str
    choices: [absent, present]
    default: present
requirements:
  - PyYAML
extends_documentation_fragment:
  - slipway.cloud.attributes
attributes:
  diff_mode:
    support: none
    description: Does not show what it changes, since credentials are among it.
"""

EXAMPLES = r"""
- name: Use the new Kubernetes from now on with kubectl --context slipway
  slipway.cloud.kubeconfig:
    src: "{{ lookup('slipway.cloud.cache_path', 'kubeconfig') }}"
    name: slipway

- name: Forget it again
  slipway.cloud.kubeconfig:
    src: "{{ lookup('slipway.cloud.cache_path', 'kubeconfig') }}"
    state: absent
"""

RETURN = r"""
path:
  description: The kubeconfig that has the context now, or no longer.
  returned: always
  type: str
  sample: /root/.kube/config
"""

import os
import pathlib
import tempfile
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._kubeconfig import EMPTY, Kubeconfig, KubeconfigError, is_empty, is_kubeconfig, merge, without

try:
    import yaml
except ImportError:
    YAML_ERROR: str | None = traceback.format_exc()
else:
    YAML_ERROR = None


def own_path(environ: t.Mapping[str, str]) -> pathlib.Path:
    """Return the file that kubectl would write to."""
    files = filter(None, environ.get("KUBECONFIG", "").split(os.pathsep))
    return next(map(pathlib.Path, files), pathlib.Path.home() / ".kube" / "config")


def load(path: pathlib.Path) -> Kubeconfig:
    """Read a kubeconfig. :raises KubeconfigError: if it cannot be read or is none."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8")) or EMPTY
    except OSError as error:
        raise KubeconfigError(f"Cannot read the kubeconfig {path}: {error.strerror}.") from error
    except (ValueError, yaml.YAMLError) as error:
        raise KubeconfigError(f"{path} is no kubeconfig: {error}.") from error
    if not is_kubeconfig(config):
        raise KubeconfigError(f"{path} is no kubeconfig.")
    return t.cast(Kubeconfig, config)


def write(path: pathlib.Path, config: Kubeconfig) -> None:
    """Replace the file at once, by one that its owner alone can read, or remove it. :raises KubeconfigError:"""
    try:
        if is_empty(config):
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as beside:
            new = pathlib.Path(beside, path.name)
            new.touch(mode=0o600)
            new.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
            if path.exists():
                os.chown(new, path.stat().st_uid, path.stat().st_gid)
            new.replace(path)
    except OSError as error:
        raise KubeconfigError(f"Cannot write {path}: {error.strerror}.") from error


def wanted_of(own: Kubeconfig, params: t.Mapping[str, t.Any]) -> Kubeconfig:
    """Return what the file is to hold. :raises KubeconfigError:"""
    source_path = pathlib.Path(params["src"])
    if params["state"] == "absent" and not source_path.exists():
        return own
    source = load(source_path)
    context = params["context"] or source.get("current-context") or ""
    if params["state"] == "absent":
        return without(own, source, context=context)
    return merge(own, source, context=context, name=params["name"])


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "context": {"type": "str"},
            "name": {"type": "str"},
            "path": {"type": "path"},
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
        },
        required_if=[("state", "present", ("name",))],
        supports_check_mode=True,
    )
    if YAML_ERROR:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_ERROR)
    params: dict[str, t.Any] = module.params
    path = pathlib.Path(params["path"]) if params["path"] else own_path(os.environ)
    try:
        own = load(path) if path.exists() else {}
        wanted = wanted_of(own, params)
        if wanted != own and not module.check_mode:
            write(path.resolve(), wanted)
    except KubeconfigError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=wanted != own, path=str(path))


if __name__ == "__main__":
    main()
