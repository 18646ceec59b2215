"""redis-server and redis-sentinel as the image of the role redis has them, run here without a container."""

from __future__ import annotations

import subprocess
import tarfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.ansible import module
from tests.support.paths import CACHE
from tests.support.role_templates import defaults

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = ["redis-server", "redis-sentinel"]  # beside Python, as in roles/redis/tasks/images.yml


@cache
def root() -> Path:
    """The root file system of the image, unpacked in the cache; made only if it is not there."""
    options = {
        "name": "redis",
        "cache_dir": str(CACHE / "rootfs"),
        "packages": defaults("images")["images_python_packages"] + PACKAGES,
        "variant": "essential",
        "format": "tar",
    }
    answer = module("rootfs", options, kubeconfig=Path("/dev/null"), timeout=300)
    assert answer.code == 0, answer.output
    archive = Path(answer.result["path"])
    directory = CACHE / "tests" / archive.stem
    if not directory.is_dir():
        made = directory.with_suffix(".new")
        subprocess.run(["rm", "-rf", made], check=True)
        made.mkdir(parents=True)
        with tarfile.open(archive) as tar:
            tar.extractall(made, filter="tar", members=[each for each in tar if _wanted(each)])
        made.rename(directory)
    return directory


def _wanted(member: tarfile.TarInfo) -> bool:
    return not member.isdev()


def program(name: str, *arguments: str | Path) -> Sequence[str | Path]:
    """The command that runs a program of /usr/bin there, by the libraries there."""
    home = root()
    triplet = next((home / "usr/lib").glob("*-linux-gnu"))
    loader = next(home.glob("lib*/ld-linux*"))
    return [loader, "--library-path", f"{triplet}:{home / 'lib' / triplet.name}", home / "usr/bin" / name, *arguments]
