"""An image has every package of this collection that its program imports."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import CHECKOUT

PLACE = "ansible_collections/slipway/cloud/plugins/module_utils"
IMPORT = re.compile(rf"^\s*from {PLACE.replace('/', '.')}(?:\.(\w+)[\w.]* import| import (\w+))", re.MULTILINE)
ROW = re.compile(rf"^\s*{PLACE}/(\w+): \"{{{{ lookup\('slipway\.cloud\.package_path', '(\w+)'\) }}}}\"$", re.MULTILINE)


@pytest.mark.parametrize("role", sorted(path.parents[1].name for path in CHECKOUT.glob("roles/*/files/slipway_*")))
def test_it_has_what_it_imports(role: str) -> None:
    place = CHECKOUT / "roles" / role
    imported = {
        first or second
        for path in place.glob("files/**/*.py")
        for first, second in IMPORT.findall(path.read_text(encoding="utf-8"))
    }
    rows = ROW.findall((place / "tasks" / "images.yml").read_text(encoding="utf-8"))
    assert imported
    assert {name for name, _ in rows} == imported
    assert all(name == directory for name, directory in rows)
