# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module documents the options that it takes, no more and no less."""

from __future__ import annotations

import importlib
import pathlib
import typing as t

import pytest
import yaml

PLUGINS = pathlib.Path(__file__).parents[4] / "plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("[!_]*.py"))
COMPARED = ("type", "elements", "default", "choices", "required")

Options = dict[str, dict[str, t.Any]]


class _SpecTakenError(Exception):
    """Ends main() as soon as it has said what options it takes."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.spec = spec


def _take(argument_spec: Options, **_: t.Any) -> t.NoReturn:
    raise _SpecTakenError(argument_spec)


def _taken(module: t.Any, monkeypatch: pytest.MonkeyPatch) -> Options:
    monkeypatch.setattr(module, "AnsibleModule", _take)
    with pytest.raises(_SpecTakenError) as taken:
        module.main()
    return taken.value.spec


def _import(kind: str, name: str) -> t.Any:
    return importlib.import_module(f"ansible_collections.slipway.cloud.plugins.{kind}.{name}")


def _documentation(module: t.Any) -> dict[str, t.Any]:
    documentation: dict[str, t.Any] = yaml.safe_load(module.DOCUMENTATION)
    return documentation


def _documented(module: t.Any) -> Options:
    documentation = _documentation(module)
    options: Options = documentation.get("options") or {}
    for fragment in documentation.get("extends_documentation_fragment") or []:
        namespace, _here, rest = fragment.partition("slipway.cloud.")
        if rest and not namespace:
            name, _dot, part = rest.partition(".")
            text = getattr(_import("doc_fragments", name).ModuleDocFragment, (part or "documentation").upper())
            options |= yaml.safe_load(text).get("options") or {}
    return options


def _normal(options: Options, *, children: str) -> Options:
    """Return what is to be compared, with the defaults of a spec written out."""
    return {
        name: {
            **{key: option.get(key) for key in COMPARED},
            "type": option.get("type", "str"),
            "required": option.get("required", False),
            "options": _normal(option.get(children) or {}, children=children),
        }
        for name, option in options.items()
    }


@pytest.mark.parametrize("name", MODULES)
def test_options_are_documented(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = _import("modules", name)
    spec = _taken(module, monkeypatch) if hasattr(module, "main") else _import("action", name).ActionModule.spec
    assert _normal(spec, children="options") == _normal(_documented(module), children="suboptions")


def test_action_group_is_complete() -> None:
    fragment = "slipway.cloud.attributes.action_group"
    runtime = yaml.safe_load((PLUGINS.parent / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    members = {
        name
        for name in MODULES
        if fragment in (_documentation(_import("modules", name)).get("extends_documentation_fragment") or [])
    }
    assert members == set(runtime["action_groups"]["k8s"])
