"""generate.py DIR: makes the Python code of the worker's protocol in DIR, if it is not there or of another protocol.

Run by the role for the image, and by tools/worker for the checkout; needs grpcio-tools.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOCOL = Path(__file__).resolve().parent / "proto"
STAMP = "made-from"


def inputs() -> str:
    """Return what the code is made from: the hash of the protocol, and the compiler's version."""
    digest = hashlib.sha256()
    for path in sorted(PROTOCOL.rglob("*.proto")):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()} {version('grpcio-tools')}\n"


def compile_into(target: Path) -> None:
    """Make the code of every file of the protocol below ``target``. Raises SystemExit where the protocol is wrong."""
    includes = [f"--proto_path={path}" for path in (PROTOCOL, files("grpc_tools") / "_proto")]
    outputs = [f"--{kind}={target}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    sources = [str(path) for path in sorted(PROTOCOL.rglob("*.proto"))]
    if protoc.main(["protoc", *includes, *outputs, *sources]):
        raise SystemExit(f"{PROTOCOL} cannot be compiled: see above")


def main() -> None:
    target, wanted = Path(sys.argv[1]), inputs()
    stamp = target / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        made = Path(work) / target.name
        made.mkdir()
        compile_into(made)
        (made / STAMP).write_text(wanted)
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    print("changed")


if __name__ == "__main__":
    main()
