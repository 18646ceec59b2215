"""docs/causes.md has every code that the engine knows, and no other."""

from __future__ import annotations

import re

from tests.support.paths import CHECKOUT

ENGINE = CHECKOUT / "collections/ansible_collections/slipway/cloud/plugins/module_utils/engine"
IN_SOURCE = re.compile(
    r"""\b(?:Rule|Cause)\(\s*"([a-z_]+)"|\bcode(?:: str)? ?= ?"([a-z_]+)"|return "([a-z]+_[a-z_]+)"$""", re.MULTILINE
)
IN_TABLE = re.compile(r"^\| `([a-z_]+)` \|", re.MULTILINE)


def test_every_code_is_on_the_page() -> None:
    source = "".join(path.read_text() for path in sorted(ENGINE.glob("*.py")))
    known = {next(filter(None, groups)) for groups in IN_SOURCE.findall(source)}
    head, _, errors = (CHECKOUT / "docs" / "causes.md").read_text().rpartition("\n\n")
    documented = set(IN_TABLE.findall(head)) | set(re.findall(r"`([a-z_]+)`", errors))
    assert documented ^ known == set()
