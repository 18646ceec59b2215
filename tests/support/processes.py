"""Programs that run beside a test."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@contextmanager
def beside(command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a program meanwhile, which must not end by itself and does not outlive this process."""
    with log.open("wb") as output:
        command = ["setpriv", "--pdeathsig", "KILL", *command]
        process = subprocess.Popen(command, cwd=CHECKOUT, env=env, stdout=output, stderr=output)
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            process.kill()
            process.wait()
