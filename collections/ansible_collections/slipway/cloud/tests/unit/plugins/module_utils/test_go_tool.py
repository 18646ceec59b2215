# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what decides a build; the build itself is tested in tests/integration."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._go_tool import (
    GoToolError,
    Recipe,
    environment,
    go_version,
    inputs_hash,
    without_imports,
)

MAIN = 'import (\n\t"fmt"\n\t_ "example.org/udp"\n\t_ "example.org/udp2"\n)\n'


@pytest.fixture
def module_dir(tmp_path: Path) -> Path:
    """The module file of a tool."""
    (tmp_path / "go.mod").write_text("module x")
    (tmp_path / "go.sum").write_text("x h1:abc")
    return tmp_path


def test_without_imports() -> None:
    assert without_imports(MAIN, ["example.org/udp"]) == 'import (\n\t"fmt"\n\t_ "example.org/udp2"\n)\n'


@pytest.mark.parametrize("name", ["fmt", "example.org/gone"])
def test_import_that_is_not_there(name: str) -> None:
    with pytest.raises(GoToolError, match=f'has no line `_ "{name}"`'):
        without_imports(MAIN, [name])


@pytest.mark.parametrize(
    "change",
    [
        {"packages": ["."]},
        {"ldflags": ["-X a=b"]},
        {"rename": {"a": "b"}},
        {"main": {"module": "m"}},
        {"c_programs": [{}]},
        {"manifests": {"x.yaml": "0"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_recipe_decides_inputs(module_dir: Path, change: dict[str, Any]) -> None:
    recipe = Recipe(packages=["tool"])
    changed = dataclasses.replace(recipe, **change)
    inputs = [inputs_hash(r, module_dir=module_dir, go_version="go1", arch="amd64") for r in (recipe, recipe, changed)]
    assert inputs[0] == inputs[1] != inputs[2]


@pytest.mark.parametrize("change", ["go.mod", "go.sum", "go_version", "arch"])
def test_pins_decide_inputs(module_dir: Path, change: str) -> None:
    surroundings = {"go_version": "go1", "arch": "amd64"}
    before = inputs_hash(Recipe(packages=["tool"]), module_dir=module_dir, **surroundings)
    if change in surroundings:
        surroundings[change] = "other"
    else:
        (module_dir / change).write_text("other")
    assert inputs_hash(Recipe(packages=["tool"]), module_dir=module_dir, **surroundings) != before


def test_environment_keeps_the_machine_s_own() -> None:
    machine = {"GOFLAGS": "-p=1", "GOPROXY": "https://proxy.example", "GOTOOLCHAIN": "auto", "HOME": "/root"}
    found = environment(machine, cache=Path("/cache/go"), work=Path("/work"), memory=8 << 30)
    assert {key: found[key] for key in ("GOFLAGS", "GOPROXY", "HOME")} == {
        "GOFLAGS": "-p=1",
        "GOPROXY": "https://proxy.example",
        "HOME": "/root",
    }
    assert found["GOMODCACHE"] == "/cache/go/mod"
    assert found["GOCACHE"] == "/cache/go/build"
    assert found["GOTMPDIR"] == "/work/tmp"
    assert found["GOTOOLCHAIN"] == "local"
    assert found["GOMEMLIMIT"] == "2048MiB"


def test_no_go(tmp_path: Path) -> None:
    with pytest.raises(GoToolError, match="go cannot be run"):
        go_version(str(tmp_path / "go"))
