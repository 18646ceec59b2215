"""README.md has a newcomer install what CI installs on a machine that has only its base image."""

from __future__ import annotations

import re

from tests.support.paths import CHECKOUT


def test_a_newcomer_installs_what_ci_does() -> None:
    [typed] = re.findall(r"^    apt-get install -y (.+)$", (CHECKOUT / "README.md").read_text(), re.MULTILINE)
    [listed] = re.findall(r"^packages=\((.+)\)$", (CHECKOUT / ".ci/run").read_text(), re.MULTILINE)
    assert typed == listed
