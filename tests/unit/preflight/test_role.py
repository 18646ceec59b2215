"""The role preflight takes what its module takes."""

from __future__ import annotations

from typing import Any

import yaml

from ansible_collections.slipway.cloud.plugins.action.check_host import ActionModule
from tests.support.paths import CHECKOUT

ROLE = CHECKOUT / "roles" / "preflight"
SPEC = ActionModule.spec
OPTIONS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text())


def plain(option: dict[str, Any]) -> dict[str, Any]:
    """An option without its descriptions."""
    children = {name: plain(child) for name, child in option.get("options", {}).items()}
    rest = {key: value for key, value in option.items() if key not in ("description", "options", "required")}
    return {**rest, "options": children} if children else rest


def test_options_are_those_of_the_module() -> None:
    given = {name.removeprefix("preflight_"): plain(option) for name, option in OPTIONS.items()}
    taken = {name: plain(option) for name, option in SPEC.items() if name != "groups"}
    given["systems"].pop("default")
    assert given == taken


def test_defaults_are_documented() -> None:
    documented = {name: option["default"] for name, option in OPTIONS.items() if "default" in option}
    assert {name: DEFAULTS[name] for name in documented} == documented
    assert DEFAULTS.keys() == OPTIONS.keys()
